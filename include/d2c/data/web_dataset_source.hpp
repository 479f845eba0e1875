#pragma once
/// Images in tar files, grouped into samples as the WebDataset library groups them.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/data/image_source.hpp>
#include <d2c/io/image_decoder.hpp>
#include <d2c/io/image_extension.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/parse_json.hpp>
#include <d2c/io/pixel_limit.hpp>
#include <d2c/io/tar_reader.hpp>
#include <d2c/io/utf8_name.hpp>

namespace d2c {

/// A sample is the run of files of one key, the path up to the first dot of the file's name: one
/// image (photo.jpg) and its class, a whole number in KEY.cls or as "label" in KEY.json; .cls is
/// taken where both are there. Files without a key or of other kinds are passed over. Ids are
/// SHARD.tar/KEY.
class WebDatasetSource : public ImageSource {
public:
  /// Lists the shards' members and decodes none; the shards stay mapped. InputError on a damaged
  /// shard, on a name that is not UTF-8, on a sample without an image or a class or with two, on a
  /// key that comes twice, and on a class without a name in `class_names`.
  WebDatasetSource(const std::vector<std::filesystem::path>& shards,
                   std::vector<std::string> class_names,
                   std::uint64_t pixel_limit = default_pixel_limit)
      : class_names_{std::move(class_names)}, pixel_limit_{pixel_limit} {
    std::unordered_set<std::string> names;
    for (const std::filesystem::path& path : shards) {
      const std::string name = path.filename().string();
      require_utf8(path.string(), name); // it begins the ids
      if (!names.insert(name).second) {
        throw InputError(path.string() + ": expected shards of distinct names, found two of \"" +
                         name + "\"");
      }
      list_shard(path);
    }
  }

  [[nodiscard]] std::int64_t size() const override {
    return static_cast<std::int64_t>(samples_.size());
  }

  [[nodiscard]] std::int32_t label(std::int64_t i) const override { return sample(i).label; }

  [[nodiscard]] std::string id(std::int64_t i) const override {
    return shards_[sample(i).shard].path().filename().string() + "/" + sample(i).key;
  }

  [[nodiscard]] const std::vector<std::string>& class_names() const override {
    return class_names_;
  }

  [[nodiscard]] DecodedImage decode(std::int64_t i) const override {
    const Sample& found = sample(i);
    return decode_image(shards_[found.shard].path().string() + "/" + found.key, found.image,
                        pixel_limit_);
  }

private:
  struct Sample {
    std::string key;
    std::span<const std::byte> image;
    std::size_t shard = 0;
    std::int32_t label = 0;
  };

  /// The files of one key while they are collected.
  struct Group {
    std::string key;
    std::optional<std::span<const std::byte>> image;
    std::optional<std::string_view> cls;
    std::optional<std::string_view> json;
  };

  [[nodiscard]] const Sample& sample(std::int64_t i) const {
    return samples_.at(static_cast<std::size_t>(i));
  }

  static std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void list_shard(const std::filesystem::path& path) {
    const MappedFile& shard = shards_.emplace_back(path);
    std::unordered_set<std::string> keys;
    std::optional<Group> group;
    const auto finish = [&] {
      if (!group) {
        return;
      }
      if (!keys.insert(group->key).second) {
        throw InputError(path.string() + ": expected the files of a sample side by side, found \"" +
                         group->key + "\" twice");
      }
      if (group->image || group->cls || group->json) {
        add(path, *group);
      }
    };
    for (const TarEntry& entry : read_tar(path.string(), shard.bytes())) {
      const auto slash = entry.name.rfind('/');
      const std::size_t base = slash == std::string::npos ? 0 : slash + 1;
      const auto dot = entry.name.find('.', base);
      if (dot == std::string::npos || dot == base) {
        continue;
      }
      std::string key = entry.name.substr(0, dot);
      require_utf8(path.string(), key);
      if (!group || group->key != key) {
        finish();
        group.emplace();
        group->key = std::move(key);
      }
      take(path, *group, entry, std::string_view(entry.name).substr(dot));
    }
    finish();
  }

  static void take(const std::filesystem::path& path, Group& group, const TarEntry& entry,
                   std::string_view extension) {
    const auto set = [&](auto& slot, const auto& value) {
      if (slot) {
        throw InputError(path.string() + ": expected one image and one class for \"" + group.key +
                         "\", found \"" + entry.name + "\" besides another");
      }
      slot = value;
    };
    if (has_image_extension(extension)) {
      set(group.image, entry.bytes);
    } else if (extension == ".cls") {
      set(group.cls, as_text(entry.bytes));
    } else if (extension == ".json") {
      set(group.json, as_text(entry.bytes));
    }
  }

  void add(const std::filesystem::path& path, const Group& group) {
    const auto wrong = [&](const std::string& expected, const std::string& found) {
      return InputError(path.string() + ": expected " + expected + " for \"" + group.key +
                        "\", found " + found);
    };
    if (!group.image) {
      throw wrong("an image", "none");
    }
    std::int64_t label = -1;
    if (group.cls) {
      label = whole_number(*group.cls);
      if (label < 0) {
        throw wrong("a class number in its .cls", "another content");
      }
    } else if (group.json) {
      const auto json = parse_json(*group.json);
      if (!json.is_object() || !json.contains("label") || !json["label"].is_number_unsigned()) {
        throw wrong("a JSON object with a whole number as \"label\"", "another content");
      }
      // Numbers beyond int64 turn negative and are refused below.
      label = json["label"].get<std::int64_t>();
    } else {
      throw wrong("a class in a .cls or .json", "none");
    }
    if (label < 0 || label >= static_cast<std::int64_t>(class_names_.size())) {
      throw wrong("a class below " + std::to_string(class_names_.size()), std::to_string(label));
    }
    samples_.push_back(
        {group.key, *group.image, shards_.size() - 1, static_cast<std::int32_t>(label)});
  }

  /// A decimal number with blanks around; -1 for anything else.
  static std::int64_t whole_number(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    const auto begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) {
      return -1;
    }
    text = text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
    if (text.size() > 9 || text.find_first_not_of("0123456789") != std::string_view::npos) {
      return -1;
    }
    std::int64_t value = 0;
    for (const char c : text) {
      value = value * 10 + (c - '0');
    }
    return value;
  }

  std::vector<MappedFile> shards_;
  std::vector<Sample> samples_;
  std::vector<std::string> class_names_;
  std::uint64_t pixel_limit_;
};

} // namespace d2c
