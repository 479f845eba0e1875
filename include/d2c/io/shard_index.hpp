#pragma once
/// The index of weights that are published in several files (`model.safetensors.index.json`,
/// `pytorch_model.bin.index.json`): which tensor lies in which file. Torch-free; opens no shard.

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/io/mapped_file.hpp>

namespace d2c {

/// An index with its shards, which lie in its own folder. The constructor throws InputError where
/// the file is no such index, names a tensor twice or a file of another folder.
class ShardIndex {
public:
  explicit ShardIndex(const std::filesystem::path& path) : path_{path} {
    const MappedFile file{path};
    const auto bytes = file.bytes();
    const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    std::set<std::string> seen;
    const auto unique = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& value) {
      if (event == nlohmann::json::parse_event_t::key) {
        if (depth == 1) {
          seen.clear();
        } else if (depth == 2 && !seen.insert(value.get<std::string>()).second) {
          throw InputError(path_.string() + ": expected every tensor once, found the key \"" +
                           value.get<std::string>() + "\" twice");
        }
      }
      return true;
    };
    nlohmann::json json;
    try {
      json = nlohmann::json::parse(text, unique);
    } catch (const nlohmann::json::exception&) {
      throw InputError(path.string() + ": expected an index of shards as JSON, found other text");
    }
    if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object() ||
        json["weight_map"].empty()) {
      throw InputError(path.string() + ": expected an index of shards with tensors under "
                                       "\"weight_map\", found none");
    }
    for (const auto& [name, shard] : json["weight_map"].items()) {
      const std::string file_name = shard.is_string() ? shard.get<std::string>() : "";
      // A name with a folder could lead anywhere.
      if (file_name.empty() || file_name == "." || file_name == ".." ||
          file_name.find_first_of(std::string_view{"/\\\0", 3}) != std::string::npos ||
          is_index(file_name)) {
        throw InputError(path.string() + ": expected tensor \"" + name +
                         "\" to name a weights file beside the index, found " +
                         (shard.is_string() ? "\"" + file_name + "\""
                                            : "a value of type " + std::string(shard.type_name())));
      }
      shard_of_.emplace(name, path.parent_path() / file_name);
    }
  }

  /// Whether a file is an index, by its name.
  [[nodiscard]] static bool is_index(const std::filesystem::path& path) {
    return path.filename().string().ends_with(".index.json");
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// The file of every tensor.
  [[nodiscard]] const std::map<std::string, std::filesystem::path, std::less<>>& shard_of() const {
    return shard_of_;
  }

  /// Every shard once, by name.
  [[nodiscard]] std::vector<std::filesystem::path> shards() const {
    std::set<std::filesystem::path> files;
    for (const auto& [name, file] : shard_of_) {
      files.insert(file);
    }
    return {files.begin(), files.end()};
  }

private:
  std::filesystem::path path_;
  std::map<std::string, std::filesystem::path, std::less<>> shard_of_;
};

} // namespace d2c
