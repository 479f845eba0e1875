#pragma once
/// The list of a cache of latents in REPA's layout: its files in order and their labels.
/// Torch-free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/parse_json.hpp>

namespace d2c {

/// dataset.json of a folder that REPA calls vae-sd: {"labels": [[FILE, CLASS], ...]}, or null for
/// images without labels, whose files are then all .npy files of the folder. Image i is the one
/// whose file is at place i in the order of the names: so REPA pairs images and latents.
class RepaList {
public:
  static constexpr const char* file_name = "dataset.json";

  /// Throws InputError if there is no such file, if it holds something else, if a name leads out of
  /// the folder or stands twice.
  explicit RepaList(const std::filesystem::path& folder) : folder_{folder} {
    if (!is_file(path())) {
      throw refusal("no such file");
    }
    const auto json = parse_json(MappedFile{path()}.text());
    if (!json.is_object() || !json.contains("labels") ||
        !(json["labels"].is_array() || json["labels"].is_null())) {
      throw refusal("other text");
    }
    made_from_ = json.value("made_from", nlohmann::json{});
    has_labels_ = json["labels"].is_array();
    if (has_labels_) {
      take_rows(json["labels"]);
    } else {
      list_files();
    }
    std::sort(rows_.begin(), rows_.end());
    const auto twice =
        std::adjacent_find(rows_.begin(), rows_.end(),
                           [](const auto& a, const auto& b) { return a.first == b.first; });
    if (twice != rows_.end()) {
      throw refusal("the file " + twice->first.string() + " twice");
    }
  }

  /// Whether the folder has the list, which is written when all else is there.
  static bool is_in(const std::filesystem::path& folder) { return is_file(folder / file_name); }

  [[nodiscard]] std::filesystem::path path() const { return folder_ / file_name; }

  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(rows_.size()); }

  [[nodiscard]] bool has_labels() const { return has_labels_; }

  /// The label of image i, -1 without labels; Failure for an index outside the list, here and
  /// below.
  [[nodiscard]] std::int64_t label(std::int64_t i) const { return row(i).second; }

  [[nodiscard]] std::filesystem::path file(std::int64_t i) const { return folder_ / row(i).first; }

  /// What the cache says it was made from; null for one of another program.
  [[nodiscard]] const nlohmann::json& made_from() const { return made_from_; }

  /// Hash of the content of at most 64 files: the first, the last, and others evenly between. Other
  /// weights change every file, so it tells caches apart without reading all of them. Files that
  /// are missing count as empty; whoever reads them says so.
  [[nodiscard]] std::string sample() const {
    return sample_of(folder_, size(), [&](std::int64_t i) { return row(i).first; });
  }

  /// The same of `size` files, named by file(i), that have no list yet.
  template <class File>
  static std::string sample_of(const std::filesystem::path& folder, std::int64_t size,
                               const File& file) {
    constexpr std::int64_t most = 64;
    std::string hashes;
    const std::int64_t count = std::min(most, size);
    for (std::int64_t i = 0; i < count; ++i) {
      const std::filesystem::path each =
          folder / file(count == 1 ? 0 : i * (size - 1) / (count - 1));
      hashes += is_file(each) ? hash_of_file(each) : "none";
    }
    return hash_of_text(hashes);
  }

private:
  [[nodiscard]] InputError refusal(const std::string& found) const {
    return InputError(path().string() +
                      ": expected an object with \"labels\": [[FILE, CLASS], ...], found " + found);
  }

  /// A value as text of at most 80 bytes, in ASCII so that no letter is cut.
  static std::string shown(const nlohmann::json& value) {
    constexpr std::size_t most = 80;
    const std::string text = value.dump(-1, ' ', true);
    return text.size() > most ? text.substr(0, most - 3) + "..." : text;
  }

  void take_rows(const nlohmann::json& rows) {
    for (const auto& row : rows) {
      if (!row.is_array() || row.size() != 2 || !row[0].is_string() ||
          !row[1].is_number_integer()) {
        throw refusal("the entry " + shown(row));
      }
      std::filesystem::path file = row[0].get<std::string>();
      if (file.empty() || file.is_absolute() ||
          std::find(file.begin(), file.end(), "..") != file.end()) {
        throw refusal("the file name " + shown(row[0]) + ", which leads out of the folder");
      }
      rows_.emplace_back(std::move(file), row[1].get<std::int64_t>());
    }
  }

  void list_files() {
    std::error_code reason;
    for (std::filesystem::recursive_directory_iterator at{folder_, reason}, end;
         !reason && at != end; at.increment(reason)) {
      if (at->path().extension() == ".npy" && is_file(at->path())) {
        rows_.emplace_back(at->path().lexically_relative(folder_), -1);
      }
    }
    if (reason) {
      throw refusal("a folder that cannot be read: " + reason.message());
    }
  }

  [[nodiscard]] const std::pair<std::filesystem::path, std::int64_t>& row(std::int64_t i) const {
    if (i < 0 || i >= size()) {
      throw Failure(folder_.string() + ": expected image indices below " + std::to_string(size()) +
                    ", found " + std::to_string(i));
    }
    return rows_[static_cast<std::size_t>(i)];
  }

  std::filesystem::path folder_;
  std::vector<std::pair<std::filesystem::path, std::int64_t>> rows_;
  nlohmann::json made_from_;
  bool has_labels_ = false;
};

} // namespace d2c
