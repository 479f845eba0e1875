#pragma once
/// The table subset.csv: the kept images, `id,path,class,rank,score,standard_error`.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/csv.hpp>
#include <d2c/select/subset_row.hpp>

namespace d2c {

/// Writes subset.csv atomically, in the given order; NaN is an empty field.
template <class = Once>
void write_subset(const std::filesystem::path& path, const std::vector<SubsetRow>& rows) {
  CsvWriter table{path, {"id", "path", "class", "rank", "score", "standard_error"}};
  for (const SubsetRow& row : rows) {
    table.row(row.id, row.path, row.label, row.rank, row.score, row.standard_error);
  }
  table.commit();
}
D2C_COMPILED_ONCE(void write_subset<>(const std::filesystem::path&, const std::vector<SubsetRow>&))

/// Reads subset.csv. InputError on missing columns, fields that are no numbers, an id that comes
/// twice, and a file without rows.
template <class = Once>
std::vector<SubsetRow> read_subset(const std::filesystem::path& path) {
  CsvReader reader{path};
  const std::size_t id = reader.column("id");
  const std::size_t file = reader.column("path");
  const std::size_t label = reader.column("class");
  const std::size_t rank = reader.column("rank");
  const std::size_t score = reader.column("score");
  const std::size_t error = reader.column("standard_error");
  std::vector<SubsetRow> rows;
  std::unordered_set<std::string_view> seen; // views into the reader, which outlives it
  std::vector<std::string_view> fields;
  while (reader.next(fields)) {
    SubsetRow row{std::string(fields[id]), std::string(fields[file]),
                  reader.number<std::int32_t>(fields[label], "class"),
                  reader.number<std::int64_t>(fields[rank], "rank")};
    if (!fields[score].empty()) {
      row.score = reader.number<double>(fields[score], "score");
    }
    if (!fields[error].empty()) {
      row.standard_error = reader.number<double>(fields[error], "standard_error");
    }
    if (row.label < 0 || row.id.empty() || !seen.insert(fields[id]).second) {
      throw InputError(reader.place() +
                       ": expected an id of its own and a class from 0 on, found \"" + row.id +
                       "\" in class " + std::to_string(row.label));
    }
    rows.push_back(std::move(row));
  }
  if (rows.empty()) {
    throw InputError(path.string() + ": expected at least one kept image, found none");
  }
  return rows;
}
D2C_COMPILED_ONCE(std::vector<SubsetRow> read_subset<>(const std::filesystem::path&))

} // namespace d2c
