#pragma once
/// One file of a prepared data set: images of one size with labels and names, and which files of
/// the source were refused. Torch-free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/safetensors_writer.hpp>

namespace d2c {

/// A file of the source that is not in the prepared data set.
struct RefusedImage {
  std::string id;
  std::string reason; ///< one sentence
};

/// Tensors `images` U8 [n, 3, H, W], `labels` I64 [n], `image_xxh3` U64 [n] (of the bytes of each
/// image), `ids` U8 (the names, a zero byte behind each) and `refused` U8 (name and reason in turn,
/// a zero byte behind each). Metadata: `format`, `recipe` (what the file is made from, see
/// prepare.hpp) and `xxh3` of the content.
class PreparedShard {
public:
  static constexpr const char* format = "d2c.prepared.2";

  /// "images-00042.safetensors".
  static std::string file_name(std::size_t index) {
    char name[48];
    std::snprintf(name, sizeof name, "images-%05zu.safetensors", index);
    return name;
  }

  /// Writes a file atomically and returns its xxh3; `images` is
  /// [labels.size(), 3, height, width].
  static std::string write(const std::filesystem::path& path, const std::string& recipe, int height,
                           int width, std::span<const std::uint8_t> images,
                           const std::vector<std::int64_t>& labels,
                           const std::vector<std::string>& ids,
                           const std::vector<RefusedImage>& refused) {
    std::string names;
    for (const std::string& id : ids) {
      names.append(id).push_back('\0');
    }
    std::string reasons;
    for (const RefusedImage& one : refused) {
      reasons.append(one.id).push_back('\0');
      reasons.append(one.reason).push_back('\0');
    }
    const auto count = static_cast<std::int64_t>(labels.size());
    const auto hashes = hashes_of(images, labels.size());
    const auto bytes_of = [](const auto& values) { return std::as_bytes(std::span(values)); };
    std::string hash = content_hash(
        {bytes_of(labels), bytes_of(hashes), bytes_of(images), bytes_of(names), bytes_of(reasons)});
    SafetensorsWriter writer(path,
                             {{"labels", DType::I64, {count}},
                              {"image_xxh3", DType::U64, {count}},
                              {"images", DType::U8, {count, 3, height, width}},
                              {"ids", DType::U8, {static_cast<std::int64_t>(names.size())}},
                              {"refused", DType::U8, {static_cast<std::int64_t>(reasons.size())}}},
                             {{"format", format}, {"recipe", recipe}, {"xxh3", hash}});
    writer.append(bytes_of(labels));
    writer.append(bytes_of(hashes));
    writer.append(bytes_of(images));
    writer.append(bytes_of(names));
    writer.append(bytes_of(reasons));
    writer.commit();
    return hash;
  }

  /// Opens a file. InputError if it is not a sound one; the content is compared with its hash only
  /// by is_intact().
  explicit PreparedShard(const std::filesystem::path& path) : file_{path} {
    const auto expect = [&](bool holds, const std::string& expected, const std::string& found) {
      if (!holds) {
        throw InputError(path.string() + ": expected " + expected + ", found " + found);
      }
    };
    const std::string found = text("format");
    expect(found == format, std::string("a file of prepared images (") + format + ")",
           found.empty() ? "another file" : found);
    const auto& images = file_.entry("images");
    labels_ = file_.values<std::int64_t>("labels");
    expect(images.dtype == DType::U8 && images.shape.size() == 4 && images.shape[1] == 3 &&
               images.shape[0] == static_cast<std::int64_t>(labels_.size()),
           "RGB images, one for each label", "another shape");
    image_xxh3_ = file_.values<std::uint64_t>("image_xxh3");
    expect(image_xxh3_.size() == labels_.size(),
           "a hash for each of " + std::to_string(labels_.size()) + " images",
           std::to_string(image_xxh3_.size()));
    height_ = static_cast<int>(images.shape[2]);
    width_ = static_cast<int>(images.shape[3]);
    ids_ = texts("ids");
    expect(ids_.size() == labels_.size(),
           "a name for each of " + std::to_string(labels_.size()) + " images",
           std::to_string(ids_.size()));
    const auto refused = texts("refused");
    expect(refused.size() % 2 == 0, "a reason for each refused file", "one too few");
    for (std::size_t i = 0; i < refused.size(); i += 2) {
      refused_.push_back({refused[i], refused[i + 1]});
    }
  }

  [[nodiscard]] std::string recipe() const { return text("recipe"); }

  [[nodiscard]] std::string xxh3() const { return text("xxh3"); }

  [[nodiscard]] int height() const { return height_; }

  [[nodiscard]] int width() const { return width_; }

  [[nodiscard]] const std::vector<std::int64_t>& labels() const { return labels_; }

  /// The hash of the bytes of each image.
  [[nodiscard]] const std::vector<std::uint64_t>& image_xxh3() const { return image_xxh3_; }

  [[nodiscard]] const std::vector<std::string>& ids() const { return ids_; }

  [[nodiscard]] const std::vector<RefusedImage>& refused() const { return refused_; }

  /// Image i [3, height, width]; valid as long as the shard lives.
  [[nodiscard]] const std::uint8_t* image(std::size_t i) const {
    const auto pixels = static_cast<std::size_t>(height_) * static_cast<std::size_t>(width_);
    return reinterpret_cast<const std::uint8_t*>(file_.entry("images").bytes.data()) +
           3 * pixels * i;
  }

  /// Reads everything and compares it with the hash.
  [[nodiscard]] bool is_intact() const {
    return content_hash({file_.entry("labels").bytes, file_.entry("image_xxh3").bytes,
                         file_.entry("images").bytes, file_.entry("ids").bytes,
                         file_.entry("refused").bytes}) == xxh3();
  }

private:
  using Bytes = std::span<const std::byte>;

  static std::vector<std::uint64_t> hashes_of(std::span<const std::uint8_t> images,
                                              std::size_t count) {
    std::vector<std::uint64_t> hashes;
    for (std::size_t i = 0; i < count; ++i) {
      const auto one = images.subspan(i * (images.size() / count), images.size() / count);
      hashes.push_back(hash_number({reinterpret_cast<const char*>(one.data()), one.size()}));
    }
    return hashes;
  }

  static std::string content_hash(std::initializer_list<Bytes> parts) {
    std::string hashes;
    for (const Bytes part : parts) {
      hashes += hash_of_text({reinterpret_cast<const char*>(part.data()), part.size()});
    }
    return hash_of_text(hashes);
  }

  [[nodiscard]] std::string text(const std::string& key) const {
    const auto found = file_.metadata().find(key);
    return found == file_.metadata().end() ? std::string{} : found->second;
  }

  [[nodiscard]] std::vector<std::string> texts(const std::string& name) const {
    const Bytes bytes = file_.entry(name).bytes;
    std::vector<std::string> found;
    std::string_view rest{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    while (!rest.empty()) {
      const auto end = std::min(rest.find('\0'), rest.size());
      found.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return found;
  }

  SafetensorsFile file_;
  int height_ = 0;
  int width_ = 0;
  std::vector<std::int64_t> labels_;
  std::vector<std::uint64_t> image_xxh3_;
  std::vector<std::string> ids_;
  std::vector<RefusedImage> refused_;
};

} // namespace d2c
