#pragma once
/// The loss matrix on disk: one denoising loss for each image and each score column. Scores,
/// standard errors and other estimators are arithmetic on it. Torch-free.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/safetensors_writer.hpp>
#include <d2c/score/score_column.hpp>

namespace d2c {

/// Reads and writes the shards `loss-00000.safetensors`, ... of a folder. A shard holds the losses
/// F32 [rows, columns] of a range of images for some columns, says in its metadata which ones, and
/// carries the XXH3 checksum of its values. Shards are never changed: more rows or more columns are
/// more shards, so an interrupted pass goes on where it stopped and columns can be added later.
class LossMatrix {
public:
  static constexpr std::string_view format = "d2c-loss-1";

  /// Reads every shard of `folder`; an empty folder is an empty matrix. InputError on a foreign or
  /// damaged shard (the sentence names it), and on two shards that hold the same cell.
  static LossMatrix open(const std::filesystem::path& folder) {
    LossMatrix matrix;
    matrix.folder_ = folder;
    for (const auto& path : shard_paths(folder)) {
      matrix.add_shard(path);
    }
    return matrix;
  }

  /// Writes losses [rows, columns.size()], row-major, of images row_begin, row_begin + 1, ... as a
  /// new shard, atomically, and returns its path. Failure on a loss that is not finite (the
  /// sentence names image and column) and on sizes that do not fit.
  static std::filesystem::path write_shard(const std::filesystem::path& folder,
                                           std::int64_t row_begin,
                                           const std::vector<ScoreColumn>& columns,
                                           std::span<const float> losses) {
    if (columns.empty() || losses.empty() || losses.size() % columns.size() != 0 || row_begin < 0) {
      throw Failure("writing losses to " + folder.string() + ": expected whole rows of " +
                    std::to_string(columns.size()) + " columns, found " +
                    std::to_string(losses.size()) + " values");
    }
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (!std::isfinite(losses[i])) {
        throw Failure("writing losses to " + folder.string() + ": expected finite losses, found " +
                      std::to_string(losses[i]) + " for image " +
                      std::to_string(row_begin + static_cast<std::int64_t>(i / columns.size())) +
                      " in column " + columns[i % columns.size()].text());
      }
    }
    const auto rows = static_cast<std::int64_t>(losses.size() / columns.size());
    const auto existing = shard_paths(folder);
    const std::int64_t number =
        existing.empty() ? 0 : number_of(existing.back().filename().string()) + 1;
    char name[40];
    std::snprintf(name, sizeof name, "loss-%05lld.safetensors", static_cast<long long>(number));
    const auto bytes = std::as_bytes(losses);
    write_safetensors(
        folder / name,
        {{"loss", DType::F32, {rows, static_cast<std::int64_t>(columns.size())}, bytes}},
        {{"format", std::string(format)},
         {"row_begin", std::to_string(row_begin)},
         {"columns", describe(columns)},
         {"xxh3", checksum(bytes)}});
    return folder / name;
  }

  /// Rows of the matrix: one more than the last image of any shard.
  [[nodiscard]] std::int64_t rows() const { return rows_; }

  /// All columns, in the order in which they first appear.
  [[nodiscard]] const std::vector<ScoreColumn>& columns() const { return columns_; }

  /// Whether every loss of images [row_begin, row_end) in `column` is there.
  [[nodiscard]] bool has(std::int64_t row_begin, std::int64_t row_end,
                         const ScoreColumn& column) const {
    const auto found = std::find(columns_.begin(), columns_.end(), column);
    if (row_begin >= row_end) {
      return true;
    }
    if (found == columns_.end() || row_end > rows_) {
      return false;
    }
    const auto& values = values_[static_cast<std::size_t>(found - columns_.begin())];
    return std::all_of(values.begin() + row_begin, values.begin() + row_end,
                       [](float value) { return !std::isnan(value); });
  }

  /// The first of `total` images that lacks a loss in any of `columns`; `total` if none does. A
  /// pass that writes its shards in order goes on from here.
  [[nodiscard]] std::int64_t first_missing(const std::vector<ScoreColumn>& columns,
                                           std::int64_t total) const {
    std::int64_t first = total;
    for (const ScoreColumn& column : columns) {
      const auto found = std::find(columns_.begin(), columns_.end(), column);
      if (found == columns_.end()) {
        return 0;
      }
      const auto& values = values_[static_cast<std::size_t>(found - columns_.begin())];
      const auto end = values.begin() + std::min(first, rows_);
      const auto missing =
          std::find_if(values.begin(), end, [](float value) { return std::isnan(value); });
      first = std::min<std::int64_t>(first, missing - values.begin());
    }
    return first;
  }

  /// Losses [rows()] of one column. InputError if the column is unknown or incomplete.
  [[nodiscard]] const std::vector<float>& column(const ScoreColumn& column) const {
    const auto found = std::find(columns_.begin(), columns_.end(), column);
    if (found == columns_.end()) {
      throw InputError(folder_.string() + ": expected losses for the column " + column.text() +
                       ", found none");
    }
    const auto& values = values_[static_cast<std::size_t>(found - columns_.begin())];
    for (std::size_t row = 0; row < values.size(); ++row) {
      if (std::isnan(values[row])) {
        throw InputError(folder_.string() + ": expected losses of all " + std::to_string(rows_) +
                         " images for the column " + column.text() + ", found none for image " +
                         std::to_string(row));
      }
    }
    return values;
  }

  /// Losses [rows(), columns.size()], row-major. InputError as column().
  [[nodiscard]] std::vector<float> values(const std::vector<ScoreColumn>& columns) const {
    std::vector<float> result(static_cast<std::size_t>(rows_) * columns.size());
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const auto& from = column(columns[c]);
      for (std::size_t row = 0; row < from.size(); ++row) {
        result[row * columns.size() + c] = from[row];
      }
    }
    return result;
  }

private:
  static std::string checksum(std::span<const std::byte> bytes) {
    return hash_of_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }

  /// Shard number of a file name, or -1.
  static std::int64_t number_of(const std::string& name) {
    constexpr std::string_view begin = "loss-";
    constexpr std::string_view end = ".safetensors";
    if (name.size() <= begin.size() + end.size() || !name.starts_with(begin) ||
        !name.ends_with(end)) {
      return -1;
    }
    std::int64_t number = 0;
    for (const char c : name.substr(begin.size(), name.size() - begin.size() - end.size())) {
      if (c < '0' || c > '9' || number > 1'000'000'000) {
        return -1;
      }
      number = 10 * number + (c - '0');
    }
    return number;
  }

  /// All shards of a folder, by number.
  static std::vector<std::filesystem::path> shard_paths(const std::filesystem::path& folder) {
    std::vector<std::pair<std::int64_t, std::filesystem::path>> found;
    std::error_code error;
    for (std::filesystem::directory_iterator entry{folder, error}, end; !error && entry != end;
         entry.increment(error)) {
      const std::int64_t number = number_of(entry->path().filename().string());
      if (number >= 0) {
        found.emplace_back(number, entry->path());
      }
    }
    if (error) {
      throw InputError(folder.string() +
                       ": expected a folder of losses, but reading it failed: " + error.message());
    }
    std::sort(found.begin(), found.end());
    std::vector<std::filesystem::path> paths;
    paths.reserve(found.size());
    for (auto& [number, path] : found) {
      paths.push_back(std::move(path));
    }
    return paths;
  }

  static std::string describe(const std::vector<ScoreColumn>& columns) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const ScoreColumn& column : columns) {
      list.push_back({{"time", column.time},
                      {"seed", column.seed},
                      {"bank", column.bank},
                      {"sign", column.sign},
                      {"shared_noise", column.shared_noise}});
    }
    return list.dump();
  }

  void add_shard(const std::filesystem::path& path) {
    const SafetensorsFile file{path};
    const auto wrong = [&](const std::string& expected, const std::string& found) {
      return InputError(path.string() + ": expected " + expected + ", found " + found +
                        " (delete the file to have these losses computed again)");
    };
    const auto& metadata = file.metadata();
    const auto field = [&](const char* key) -> const std::string& {
      const auto found = metadata.find(key);
      if (found == metadata.end()) {
        throw wrong(std::string("a loss shard with the metadata \"") + key + "\"", "none");
      }
      return found->second;
    };
    if (field("format") != format) {
      throw wrong("a loss shard of format " + std::string(format), "\"" + field("format") + "\"");
    }
    const SafetensorsEntry& entry = file.entry("loss");
    if (checksum(entry.bytes) != field("xxh3")) {
      throw wrong("losses with the checksum " + field("xxh3"), checksum(entry.bytes));
    }
    std::vector<ScoreColumn> columns;
    std::int64_t row_begin = -1;
    try {
      for (const auto& one : nlohmann::json::parse(field("columns"))) {
        columns.push_back({.time = one.at("time").get<double>(),
                           .seed = one.at("seed").get<std::uint64_t>(),
                           .bank = one.at("bank").get<std::uint32_t>(),
                           .sign = one.at("sign").get<int>(),
                           .shared_noise = one.at("shared_noise").get<bool>()});
      }
      row_begin = nlohmann::json::parse(field("row_begin")).get<std::int64_t>();
    } catch (const nlohmann::json::exception&) {
      throw wrong("a loss shard that describes its rows and columns", "another description");
    }
    if (entry.dtype != DType::F32 || entry.shape.size() != 2 ||
        entry.shape[1] != static_cast<std::int64_t>(columns.size()) || row_begin < 0 ||
        row_begin > (std::int64_t{1} << 40)) {
      throw wrong("losses F32 [rows, " + std::to_string(columns.size()) + "] from a row on",
                  "another shape");
    }
    const std::vector<float> losses = file.values<float>("loss");
    store(row_begin, columns, losses, wrong);
  }

  template <class Wrong>
  void store(std::int64_t row_begin, const std::vector<ScoreColumn>& columns,
             const std::vector<float>& losses, const Wrong& wrong) {
    const std::size_t width = columns.size();
    const auto count = static_cast<std::int64_t>(width == 0 ? 0 : losses.size() / width);
    // Rows come in order, or a bounded distance apart; a shard far behind the others is a lie.
    if (row_begin > rows_ + (std::int64_t{1} << 28)) {
      throw wrong("losses from row " + std::to_string(rows_) + " or before",
                  "row " + std::to_string(row_begin));
    }
    rows_ = std::max(rows_, row_begin + count);
    for (std::size_t c = 0; c < width; ++c) {
      if (std::find(columns_.begin(), columns_.end(), columns[c]) == columns_.end()) {
        columns_.push_back(columns[c]);
        values_.emplace_back();
      }
    }
    for (auto& values : values_) {
      values.resize(static_cast<std::size_t>(rows_), std::numeric_limits<float>::quiet_NaN());
    }
    for (std::size_t c = 0; c < width; ++c) {
      const auto found = std::find(columns_.begin(), columns_.end(), columns[c]);
      auto& values = values_[static_cast<std::size_t>(found - columns_.begin())];
      for (std::int64_t row = 0; row < count; ++row) {
        float& cell = values[static_cast<std::size_t>(row_begin + row)];
        if (!std::isnan(cell)) {
          throw wrong("every loss once",
                      "image " + std::to_string(row_begin + row) + " of an earlier shard again");
        }
        cell = losses[static_cast<std::size_t>(row) * width + c];
      }
    }
  }

  std::filesystem::path folder_;
  std::int64_t rows_ = 0;
  std::vector<ScoreColumn> columns_;
  std::vector<std::vector<float>> values_; ///< by column; NaN where no shard has the loss
};

} // namespace d2c
