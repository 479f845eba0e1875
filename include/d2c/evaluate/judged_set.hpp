#pragma once
/// A set of images to judge, wherever it comes from: an archive or a folder, read some at a time.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/evaluate/reference_batch.hpp>
#include <d2c/io/decoded_image.hpp>
#include <d2c/io/image_decoder.hpp>
#include <d2c/io/image_extension.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/is_folder.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// An .npz archive (ReferenceBatch), or the PNG and JPEG files at any depth below a folder, sorted
/// by their path's bytes; links are followed, and images of a folder may differ in size. Nothing is
/// decoded before it is asked for. Throws InputError if there is no such path, a folder without
/// images, or a link that leads back to a folder above it.
class JudgedSet {
public:
  explicit JudgedSet(std::filesystem::path path) : path_{std::move(path)} {
    if (is_folder(path_)) {
      list_files();
    } else if (is_file(path_)) {
      archive_.emplace(path_);
    } else {
      throw InputError(path_.string() + ": expected an .npz archive or a folder of images, found "
                                        "nothing there");
    }
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  [[nodiscard]] std::int64_t size() const {
    return archive_ ? archive_->size() : static_cast<std::int64_t>(files_.size());
  }

  /// "class/0001.png" in a folder, "17" in an archive.
  [[nodiscard]] std::string name(std::int64_t index) const {
    return archive_ ? std::to_string(index) : files_.at(static_cast<std::size_t>(index));
  }

  /// Images begin ... end in their order as uint8 [n, 3, H, W], a new tensor wherever the size
  /// changes. Throws InputError for a file that cannot be decoded.
  [[nodiscard]] std::vector<Tensor> images(std::int64_t begin, std::int64_t end) const {
    if (archive_) {
      return {archive_->images(begin, end)};
    }
    std::vector<DecodedImage> decoded(static_cast<std::size_t>(end - begin));
    parallel_ranges(end - begin, 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        decoded[static_cast<std::size_t>(i)] =
            read_image(path_ / files_.at(static_cast<std::size_t>(begin + i)));
      }
    });
    std::vector<Tensor> groups;
    for (std::size_t at = 0; at < decoded.size();) {
      std::size_t next = at;
      while (next < decoded.size() && decoded[next].width == decoded[at].width &&
             decoded[next].height == decoded[at].height) {
        ++next;
      }
      const Tensor group = at::empty(
          {static_cast<std::int64_t>(next - at), decoded[at].height, decoded[at].width, 3},
          at::kByte);
      auto* to = group.mutable_data_ptr<std::uint8_t>();
      for (; at < next; ++at) {
        std::memcpy(to, decoded[at].rgb.data(), decoded[at].rgb.size());
        to += decoded[at].rgb.size();
        decoded[at].rgb = {};
      }
      groups.push_back(group.permute({0, 3, 1, 2}));
    }
    return groups;
  }

  /// The archive, or nothing for a folder.
  [[nodiscard]] const std::optional<ReferenceBatch>& archive() const { return archive_; }

private:
  void list_files() {
    std::vector<std::filesystem::path> above;
    list_files({}, above);
    if (files_.empty()) {
      throw InputError(path_.string() +
                       ": expected image files, found none with an image's extension");
    }
    std::sort(files_.begin(), files_.end());
  }

  /// Adds the images below a folder; `above` are the folders that lead to it, without links.
  void list_files(const std::filesystem::path& below, std::vector<std::filesystem::path>& above) {
    const std::filesystem::path folder = below.empty() ? path_ : path_ / below;
    std::error_code reason;
    std::filesystem::path real = std::filesystem::canonical(folder, reason);
    if (std::find(above.begin(), above.end(), real) != above.end()) {
      throw InputError(folder.string() +
                       ": expected folders without a circle, found a link that "
                       "leads back to " +
                       real.string());
    }
    above.push_back(std::move(real));
    using Iterator = std::filesystem::directory_iterator;
    for (Iterator at{folder, reason}, end; !reason && at != end; at.increment(reason)) {
      std::error_code ignored; // a dangling link is no image
      const std::filesystem::path name = at->path().filename();
      if (at->is_directory(ignored)) {
        list_files(below / name, above);
      } else if (has_image_extension(name.string()) && at->is_regular_file(ignored)) {
        files_.push_back((below / name).string());
      }
    }
    if (reason) {
      throw InputError(folder.string() + ": expected a readable folder, found " + reason.message());
    }
    above.pop_back();
  }

  std::filesystem::path path_;
  std::optional<ReferenceBatch> archive_;
  std::vector<std::string> files_;
};

} // namespace d2c
