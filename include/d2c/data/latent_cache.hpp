#pragma once
/// The cache of a data set's latents that [data] latent_cache names: what it was made from and
/// whose latents it holds. Torch-free; written and read by data/cached_codec.hpp.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/pixel_content.hpp>
#include <d2c/data/repa_list.hpp>
#include <d2c/io/is_folder.hpp>

namespace d2c {

/// Names the images of a set: their pixels, sizes, order, ids and labels, but not their place on
/// the disk.
inline std::string hash_of_images(const ImageSet& images) {
  std::string text = pixel_content(images) + "\n";
  for (std::size_t i = 0; i < images.labels.size(); ++i) {
    text += std::to_string(images.labels[i]) + " " + images.ids.at(i) + "\n";
  }
  return hash_of_text(text);
}

/// What decides the bits of latents besides the images.
struct LatentEncoder {
  std::string weights; ///< hash of the codec's weights
  std::int64_t tile = 0;
  std::string arithmetic; ///< as arithmetic_of: which kind of device computes, and how

  [[nodiscard]] nlohmann::json record() const {
    return {{"codec_weights", weights}, {"codec_tile", tile}, {"arithmetic", arithmetic}};
  }
};

/// A folder in REPA's layout for the training images of a data set. Finished ones have a RepaList;
/// while one is made, unfinished.json says from what.
class LatentCache {
public:
  explicit LatentCache(std::filesystem::path folder) : folder_{std::move(folder)} {}

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  [[nodiscard]] bool is_finished() const { return RepaList::is_in(folder_); }

  [[nodiscard]] std::filesystem::path unfinished_record() const {
    return folder_ / "unfinished.json";
  }

  /// What a cache of these latents records. Equal records mean equal latents.
  static nlohmann::json record_of(const ImageSet& images, const LatentEncoder& encoder) {
    nlohmann::json record = encoder.record();
    record["images"] = hash_of_images(images);
    return record;
  }

  /// Throws InputError unless the list is that of these images: as many, of equal labels in the
  /// same order, and, where the list names the images that it was made from, the same ones.
  static void require_fits(const RepaList& list, const ImageSet& images) {
    const auto refusal = [&](const std::string& expected, const std::string& found) {
      return InputError(list.path().string() + ": expected " + expected + ", found " + found);
    };
    if (list.size() != images.size()) {
      throw refusal("the latents of the " + std::to_string(images.size()) + " training images of " +
                        images.origin,
                    "those of " + std::to_string(list.size()));
    }
    if (!list.has_labels()) {
      throw refusal("labels, by which latents are compared with their images", "null");
    }
    for (std::int64_t i = 0; i < images.size(); ++i) {
      const auto label = images.labels[static_cast<std::size_t>(i)];
      if (list.label(i) != label) {
        throw refusal("the label of image " + images.ids[static_cast<std::size_t>(i)] + ", " +
                          std::to_string(label) + ", for " + list.file(i).string(),
                      std::to_string(list.label(i)));
      }
    }
    const auto& made_from = list.made_from();
    if (made_from.is_object() && made_from.contains("images") &&
        made_from["images"] != hash_of_images(images)) {
      throw refusal("the latents of the training images of " + images.origin,
                    "those of other images of equal labels");
    }
  }

  /// Throws InputError if the folder holds something else than the beginning of a cache with this
  /// record: whose latents other files hold is not known.
  void require_can_be_made(const nlohmann::json& record) const {
    std::error_code ignored;
    if (is_finished() || !std::filesystem::exists(folder_, ignored)) {
      return;
    }
    std::ifstream stream{unfinished_record(), std::ios::binary};
    if (stream) {
      if (nlohmann::json::parse(stream, nullptr, false) != record) {
        throw InputError(unfinished_record().string() +
                         ": expected an unfinished cache of the latents of these images by this "
                         "codec, found one of other images or another codec; remove its folder");
      }
      return;
    }
    if (!is_folder(folder_) || std::filesystem::directory_iterator{folder_, ignored} !=
                                   std::filesystem::directory_iterator{}) {
      throw InputError(folder_.string() + ": expected a cache of latents (with " +
                       RepaList::file_name + "), an empty folder or none, found other files");
    }
  }

  /// What the latents of the folder add to the key of a result: nothing if there are none yet, or
  /// if they are those that `encoder` gives; otherwise a hash of the list and RepaList::sample.
  /// Throws as RepaList.
  [[nodiscard]] std::string key(const LatentEncoder& encoder) const {
    if (!is_finished()) {
      return {};
    }
    const RepaList list{folder_};
    const std::string sample = list.sample();
    nlohmann::json made_from = list.made_from();
    if (const auto recorded = made_from.find("sample");
        recorded != made_from.end() && *recorded == sample) {
      made_from.erase("sample");
      made_from.erase("images"); // a cache of other images is refused
      if (made_from == encoder.record()) {
        return {};
      }
    }
    return hash_of_file(list.path()) + " " + sample;
  }

private:
  std::filesystem::path folder_;
};

} // namespace d2c
