#pragma once
/// The index of weights that are published in several files (`model.safetensors.index.json`,
/// `pytorch_model.bin.index.json`): which tensor lies in which file. Torch-free; opens no shard.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/io/mapped_file.hpp>

namespace d2c {

namespace shard_index_detail {

inline constexpr std::size_t size_limit = 100'000'000; ///< as of a safetensors header
inline constexpr std::size_t depth_limit = 16;

/// Takes the JSON event by event: keys that come twice are seen, and nothing but the files of the
/// tensors is kept.
class IndexReader {
public:
  explicit IndexReader(std::string where) : where_{std::move(where)} {}

  /// Tensor and file, as listed.
  std::vector<std::pair<std::string, std::string>> listed;

  bool start_object(std::size_t) { return open("object"); }

  bool start_array(std::size_t) { return open("array"); }

  bool end_object() { return close(); }

  bool end_array() { return close(); }

  bool key(std::string& name) {
    if (!keys_.back().insert(name).second) {
      throw InputError(where_ + ": expected every key once, found the key \"" + name + "\" twice");
    }
    if (keys_.size() == 1) {
      in_map_ = name == "weight_map";
    }
    key_ = name;
    return true;
  }

  bool string(std::string& value) {
    if (in_map_ && keys_.size() == 2) {
      listed.emplace_back(key_, value);
    }
    return true;
  }

  bool null() { return other("null"); }

  bool boolean(bool) { return other("boolean"); }

  bool number_integer(std::int64_t) { return other("number"); }

  bool number_unsigned(std::uint64_t) { return other("number"); }

  bool number_float(double, const std::string&) { return other("number"); }

  bool binary(std::vector<std::uint8_t>&) { return other("binary"); }

  bool parse_error(std::size_t, const std::string&, const std::exception&) {
    throw InputError(where_ + ": expected an index of shards as JSON, found other text");
  }

private:
  bool open(const char* kind) {
    other(kind);
    if (keys_.size() >= depth_limit) {
      throw InputError(where_ + ": expected an index of shards of at most " +
                       std::to_string(depth_limit) + " levels, found more");
    }
    keys_.emplace_back();
    // A list in the place of the map has no tensors.
    in_map_ = in_map_ && (keys_.size() != 2 || std::string_view(kind) == "object");
    return true;
  }

  bool close() {
    keys_.pop_back();
    return true;
  }

  /// A value that is no text.
  bool other(const char* kind) const {
    if (in_map_ && keys_.size() == 2) {
      throw InputError(where_ + ": expected tensor \"" + key_ +
                       "\" to name a weights file beside the index, found a value of type " + kind);
    }
    return true;
  }

  std::string where_;
  std::vector<std::set<std::string>> keys_; ///< of every open object; none in a list
  std::string key_;
  bool in_map_ = false;
};

} // namespace shard_index_detail

/// An index with its shards, which lie in its own folder. The constructor throws InputError where
/// the file is no such index, is larger than 100 MB, has a key twice, or names a file of another
/// folder.
class ShardIndex {
public:
  explicit ShardIndex(const std::filesystem::path& path) : path_{path} {
    const MappedFile file{path};
    if (file.size() > shard_index_detail::size_limit) {
      throw InputError(path.string() + ": expected an index of shards of at most " +
                       std::to_string(shard_index_detail::size_limit) + " bytes, found " +
                       std::to_string(file.size()));
    }
    shard_index_detail::IndexReader reader{path.string()};
    nlohmann::json::sax_parse(file.text(), &reader);
    if (reader.listed.empty()) {
      throw InputError(path.string() + ": expected an index of shards with tensors under "
                                       "\"weight_map\", found none");
    }
    for (auto& [name, file_name] : reader.listed) {
      // A name with a folder could lead anywhere.
      if (file_name.empty() || file_name == "." || file_name == ".." ||
          file_name.find_first_of(std::string_view{"/\\\0", 3}) != std::string::npos ||
          is_index(file_name)) {
        throw InputError(path.string() + ": expected tensor \"" + name +
                         "\" to name a weights file beside the index, found \"" + file_name + "\"");
      }
      shard_of_.emplace(std::move(name), path.parent_path() / file_name);
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
