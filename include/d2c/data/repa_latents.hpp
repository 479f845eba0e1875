#pragma once
/// A cache of latents as REPA's preprocessing lays it out on disk: read and written.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/sd_vae_codec.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/npy.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A folder (REPA calls it vae-sd) with dataset.json, {"labels": [[FILE, CLASS], ...]}, and one
/// .npy file for each image: float32 [2 C, h, w], means and then deviations, unscaled.
class RepaLatents {
public:
  /// Reads dataset.json. Throws InputError if it is none, or a file's name leads out of the folder.
  explicit RepaLatents(const std::filesystem::path& folder) : folder_{folder} {
    const std::filesystem::path list = folder / "dataset.json";
    std::ifstream stream{list, std::ios::binary};
    const auto json =
        nlohmann::json::parse(std::istreambuf_iterator<char>(stream), {}, nullptr, false);
    const auto refuse = [&](const std::string& found) {
      return InputError(list.string() +
                        ": expected an object with \"labels\": [[FILE, CLASS], "
                        "...], found " +
                        found);
    };
    if (!json.is_object() || !json.contains("labels") || !json["labels"].is_array()) {
      throw refuse(stream.is_open() ? "other text" : "no such file");
    }
    for (const auto& row : json["labels"]) {
      if (!row.is_array() || row.size() != 2 || !row[0].is_string() ||
          !row[1].is_number_integer()) {
        throw refuse("the entry " + row.dump());
      }
      const std::filesystem::path file = row[0].get<std::string>();
      if (file.empty() || file.is_absolute() ||
          std::find(file.begin(), file.end(), "..") != file.end()) {
        throw refuse("the file name " + row[0].dump() + ", which leads out of the folder");
      }
      rows_.emplace_back(file, row[1].get<std::int64_t>());
    }
    // REPA pairs images and latents in the order of their names.
    std::sort(rows_.begin(), rows_.end());
  }

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(rows_.size()); }

  [[nodiscard]] std::int64_t label(std::int64_t i) const {
    return rows_.at(static_cast<std::size_t>(i)).second;
  }

  /// Means and deviations of the images `indices` as float32 [n, 2 C, h, w]. Throws InputError for
  /// a file that is missing, no such array, or of another shape than the first.
  [[nodiscard]] Tensor moments(std::span<const std::int64_t> indices) const {
    Tensor all;
    std::int64_t row = 0;
    for (const std::int64_t index : indices) {
      const std::filesystem::path path = folder_ / rows_.at(static_cast<std::size_t>(index)).first;
      const NpyFile file{path};
      const NpzArray& array = file.array();
      if (array.dtype != DType::F32 || array.shape.size() != 3 || array.shape[0] % 2 != 0 ||
          (all.defined() && at::IntArrayRef(array.shape) != all.sizes().slice(1))) {
        throw InputError(
            path.string() + ": expected means and deviations " +
            (all.defined() ? c10::str(all.sizes().slice(1)) : std::string("[2 C, height, width]")) +
            " of float32, found " + c10::str(at::IntArrayRef(array.shape)) + " of " +
            std::string(name_of(array.dtype)));
      }
      if (!all.defined()) {
        all = at::empty({static_cast<std::int64_t>(indices.size()), array.shape[0], array.shape[1],
                         array.shape[2]},
                        at::kFloat);
      }
      std::memcpy(all[row++].mutable_data_ptr(), array.bytes.data(), array.bytes.size());
    }
    return all.defined() ? all : at::empty({0, 0, 0, 0}, at::kFloat);
  }

private:
  std::filesystem::path folder_;
  std::vector<std::pair<std::filesystem::path, std::int64_t>> rows_;
};

/// Writes the cache of all images into `folder`; dataset.json comes last. Throws as
/// SDVaeCodec::moments, and Failure where a file cannot be written.
inline void write_repa_latents(const std::filesystem::path& folder, const SDVaeCodec& codec,
                               const ImageSet& images, Progress& progress) {
  constexpr std::int64_t at_once = 16;
  auto labels = nlohmann::json::array();
  progress.start("encoding", images.size(), "images");
  for (std::int64_t first = 0; first < images.size(); first += at_once) {
    std::vector<std::int64_t> some(
        static_cast<std::size_t>(std::min(at_once, images.size() - first)));
    std::iota(some.begin(), some.end(), first);
    const Tensor moments = codec.moments(images, some);
    for (std::size_t i = 0; i < some.size(); ++i) {
      std::array<char, 48> name{};
      std::snprintf(name.data(), name.size(), "%08lld", static_cast<long long>(some[i]));
      const std::string digits{name.data()};
      const std::string part = digits.substr(0, 5);
      const std::string file = part + "/img-mean-std-" + digits + ".npy";
      std::error_code error;
      std::filesystem::create_directories(folder / part, error);
      if (error) {
        throw Failure("cannot create the folder " + (folder / part).string() + ": " +
                      error.message());
      }
      const Tensor row = moments[static_cast<std::int64_t>(i)];
      write_npy(folder / file, DType::F32, row.sizes().vec(),
                {static_cast<const std::byte*>(row.const_data_ptr()), row.nbytes()});
      labels.push_back({file, images.labels[static_cast<std::size_t>(some[i])]});
    }
    progress.advance(static_cast<std::int64_t>(some.size()));
  }
  progress.finish();
  write_file_atomically(folder / "dataset.json", nlohmann::json{{"labels", labels}}.dump() + "\n");
}

} // namespace d2c
