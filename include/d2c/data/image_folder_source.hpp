#pragma once
/// Images in folders, one folder for each class, found as torchvision's ImageFolder finds them.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/data/image_source.hpp>
#include <d2c/io/image_decoder.hpp>
#include <d2c/io/image_extension.hpp>
#include <d2c/io/pixel_limit.hpp>
#include <d2c/io/utf8_name.hpp>

namespace d2c {

/// Names of the folders in `folder`, sorted by their bytes. InputError if it cannot be read
/// or if a name is not UTF-8.
inline std::vector<std::string> folders_in(const std::filesystem::path& folder) {
  std::error_code reason;
  std::vector<std::string> names;
  for (std::filesystem::directory_iterator at{folder, reason}, end; !reason && at != end;
       at.increment(reason)) {
    std::error_code ignored; // a dangling link is no folder
    if (at->is_directory(ignored)) {
      names.push_back(at->path().filename().string());
      require_utf8(folder.string(), names.back());
    }
  }
  if (reason) {
    throw InputError(folder.string() + ": expected a readable folder, found " + reason.message());
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The classes are the folders in `folder`, sorted by name. Images are the files with an image
/// extension at any depth below, sorted by their folder's path, then by name; links are followed.
/// Ids are `prefix` and the path relative to `folder`.
class ImageFolderSource : public ImageSource {
public:
  /// Lists the files and opens none. InputError if there is no class, if a class has no image, or
  /// if folders nest deeper than 32 levels (a link that leads back).
  explicit ImageFolderSource(std::filesystem::path folder, std::string prefix = {},
                             std::uint64_t pixel_limit = default_pixel_limit)
      : folder_{std::move(folder)},
        prefix_{std::move(prefix)},
        pixel_limit_{pixel_limit},
        class_names_{folders_in(folder_)} {
    if (class_names_.empty()) {
      throw InputError(folder_.string() + ": expected one folder for each class, found none");
    }
    for (std::size_t label = 0; label < class_names_.size(); ++label) {
      const std::size_t before = paths_.size();
      std::vector<std::string> folders{class_names_[label]};
      list_folders(class_names_[label], folders, 0);
      std::sort(folders.begin(), folders.end());
      for (const std::string& below : folders) {
        list_images(below);
      }
      if (paths_.size() == before) {
        throw InputError((folder_ / class_names_[label]).string() +
                         ": expected images of class \"" + class_names_[label] +
                         "\", found no file with an image's extension");
      }
      labels_.resize(paths_.size(), static_cast<std::int32_t>(label));
    }
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(labels_.size());
  }

  [[nodiscard]] std::int32_t label(std::int64_t i) const override {
    return labels_.at(static_cast<std::size_t>(i));
  }

  [[nodiscard]] std::string id(std::int64_t i) const override {
    return prefix_ + paths_.at(static_cast<std::size_t>(i));
  }

  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return class_names_;
  }

  /// Gives the classes other names than their folders'; as many.
  void set_class_names(std::vector<std::string> names) {
    if (names.size() != class_names_.size()) {
      throw Failure(folder_.string() + ": expected " + std::to_string(class_names_.size()) +
                    " class names, found " + std::to_string(names.size()));
    }
    class_names_ = std::move(names);
  }

  [[nodiscard]] DecodedImage decode(std::int64_t i) const override {
    return read_image(folder_ / paths_.at(static_cast<std::size_t>(i)), pixel_limit_);
  }

private:
  void list_folders(const std::string& below, std::vector<std::string>& found, int depth) const {
    if (depth > 32) {
      throw InputError((folder_ / below).string() +
                       ": expected folders at most 32 levels deep, found more (a link that leads "
                       "back to a folder above it)");
    }
    for (const std::string& name : folders_in(folder_ / below)) {
      found.push_back(below + "/" + name);
      list_folders(below + "/" + name, found, depth + 1);
    }
  }

  void list_images(const std::string& below) {
    std::vector<std::string> names;
    std::error_code reason;
    for (std::filesystem::directory_iterator at{folder_ / below, reason}, end; !reason && at != end;
         at.increment(reason)) {
      std::string name = at->path().filename().string();
      std::error_code ignored;
      if (has_image_extension(name) && !at->is_directory(ignored)) {
        require_utf8((folder_ / below).string(), name);
        names.push_back(std::move(name));
      }
    }
    if (reason) {
      throw InputError((folder_ / below).string() + ": expected a readable folder, found " +
                       reason.message());
    }
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      paths_.push_back(below + "/" + name);
    }
  }

  std::filesystem::path folder_;
  std::string prefix_;
  std::uint64_t pixel_limit_;
  std::vector<std::string> class_names_;
  std::vector<std::string> paths_;
  std::vector<std::int32_t> labels_;
};

} // namespace d2c
