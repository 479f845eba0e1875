#pragma once
/// A folder of prepared images: its list of files, and all of them as one ImageSet. Torch-free.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/prepared_shard.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/is_folder.hpp>

namespace d2c {

/// `prepared.json`, written last: what a finished folder holds.
struct PreparedFolder {
  struct Shard {
    std::string file;
    std::uint64_t bytes = 0;
    std::string xxh3;
  };

  std::string recipe; ///< of all shards: what the folder is made from
  int height = 0;
  int width = 0;
  std::int64_t images = 0;
  std::int64_t refused = 0;
  std::vector<std::string> class_names;
  std::vector<Shard> shards;

  static constexpr const char* file_name = "prepared.json";

  void write(const std::filesystem::path& folder) const {
    nlohmann::ordered_json json;
    json["format"] = PreparedShard::format;
    json["recipe"] = recipe;
    json["height"] = height;
    json["width"] = width;
    json["images"] = images;
    json["refused"] = refused;
    json["class_names"] = class_names;
    json["shards"] = nlohmann::ordered_json::array();
    for (const Shard& shard : shards) {
      json["shards"].push_back(
          {{"file", shard.file}, {"bytes", shard.bytes}, {"xxh3", shard.xxh3}});
    }
    // Names of folders need not be UTF-8; what is not is replaced.
    write_file_atomically(
        folder / file_name,
        json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }

  /// The record of a finished folder. Nothing if there is none, if it is of another format, or if a
  /// file it names is not there in full.
  static std::optional<PreparedFolder> read(const std::filesystem::path& folder) {
    std::ifstream in(folder / file_name);
    if (!in) {
      return std::nullopt;
    }
    PreparedFolder found;
    try {
      const auto json = nlohmann::json::parse(in);
      if (json.at("format") != PreparedShard::format) {
        return std::nullopt;
      }
      found.recipe = json.at("recipe").get<std::string>();
      found.height = json.at("height").get<int>();
      found.width = json.at("width").get<int>();
      found.images = json.at("images").get<std::int64_t>();
      found.refused = json.at("refused").get<std::int64_t>();
      found.class_names = json.at("class_names").get<std::vector<std::string>>();
      for (const auto& shard : json.at("shards")) {
        found.shards.push_back({shard.at("file").get<std::string>(),
                                shard.at("bytes").get<std::uint64_t>(),
                                shard.at("xxh3").get<std::string>()});
      }
    } catch (const nlohmann::json::exception&) {
      return std::nullopt;
    }
    for (const Shard& shard : found.shards) {
      std::error_code missing;
      if (std::filesystem::file_size(folder / shard.file, missing) != shard.bytes || missing) {
        return std::nullopt;
      }
    }
    return found;
  }
};

/// The images of a finished folder, mapped: pixels are read from the disk when they are touched and
/// take no memory of the process. InputError if the folder is not finished or damaged.
template <class = Once>
ImageSet open_prepared(const std::filesystem::path& folder) {
  const auto record = PreparedFolder::read(folder);
  if (!record) {
    throw InputError(folder.string() + ": expected a finished folder of prepared images, found " +
                     (is_folder(folder) ? "an unfinished or damaged one" : "none") +
                     "; the command prepare makes it");
  }
  ImageSet set;
  set.channels = 3;
  set.height = record->height;
  set.width = record->width;
  set.class_names = record->class_names;
  set.origin = folder.string();
  const auto shards = std::make_shared<std::vector<PreparedShard>>();
  shards->reserve(record->shards.size());
  std::vector<std::uint64_t> hashes;
  for (const PreparedFolder::Shard& stored : record->shards) {
    const PreparedShard& shard = shards->emplace_back(folder / stored.file);
    if (shard.height() != record->height || shard.width() != record->width ||
        shard.xxh3() != stored.xxh3) {
      throw InputError((folder / stored.file).string() + ": expected the shard that " +
                       PreparedFolder::file_name + " names (xxh3 " + stored.xxh3 +
                       "), found another (xxh3 " + shard.xxh3() + ")");
    }
    hashes.insert(hashes.end(), shard.image_xxh3().begin(), shard.image_xxh3().end());
    for (std::size_t i = 0; i < shard.labels().size(); ++i) {
      const std::int64_t label = shard.labels()[i];
      if (label < 0 || label >= set.classes()) {
        throw InputError((folder / stored.file).string() + ": expected labels 0 to " +
                         std::to_string(set.classes() - 1) + ", found " + std::to_string(label));
      }
      set.labels.push_back(static_cast<std::int32_t>(label));
      set.ids.push_back(shard.ids()[i]);
      set.places.push_back(shard.image(i));
    }
  }
  // Of the pixels alone: shards also hold the reasons of refusals, which name paths.
  set.content = hash_of_text(
      {reinterpret_cast<const char*>(hashes.data()), hashes.size() * sizeof(std::uint64_t)});
  set.mapping = shards;
  return set;
}
D2C_COMPILED_ONCE(ImageSet open_prepared<>(const std::filesystem::path&))

} // namespace d2c
