#pragma once
/// The table scores.csv: one row an image, `id,path,class,score,standard_error`.

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/csv.hpp>

namespace d2c {

/// One image with its score. Scores ascend from easy to hard. The texts are borrowed.
struct ScoredImage {
  std::string_view id;
  std::string_view path; ///< empty where images are not files of their own
  std::int32_t label = 0;
  double score = std::numeric_limits<double>::quiet_NaN();
  double standard_error = std::numeric_limits<double>::quiet_NaN(); ///< NaN: unknown
};

/// Writes scores.csv atomically, in the given order. Failure if it cannot be written.
template <class = Once>
void write_scores(const std::filesystem::path& path, const std::vector<ScoredImage>& images) {
  CsvWriter table{path, {"id", "path", "class", "score", "standard_error"}};
  for (const ScoredImage& image : images) {
    table.row(image.id, image.path, image.label, image.score, image.standard_error);
  }
  table.commit();
}
D2C_COMPILED_ONCE(void write_scores<>(const std::filesystem::path&,
                                      const std::vector<ScoredImage>&))

/// A scores.csv in memory; owns the texts that its rows refer to.
class ScoreFile {
public:
  /// Reads the file. InputError on missing columns, a class below zero, or a score that is not a
  /// finite number.
  explicit ScoreFile(const std::filesystem::path& path)
      : reader_{std::make_unique<CsvReader>(path)} {
    const std::size_t id = reader_->column("id");
    const std::size_t file = reader_->column("path");
    const std::size_t label = reader_->column("class");
    const std::size_t score = reader_->column("score");
    const std::size_t error = reader_->column("standard_error");
    std::vector<std::string_view> fields;
    while (reader_->next(fields)) {
      ScoredImage image;
      image.id = fields[id];
      image.path = fields[file];
      image.label = reader_->number<std::int32_t>(fields[label], "class");
      image.score = reader_->number<double>(fields[score], "score");
      if (!fields[error].empty()) {
        image.standard_error = reader_->number<double>(fields[error], "standard_error");
      }
      if (!std::isfinite(image.score) || image.label < 0 || image.id.empty()) {
        throw InputError(reader_->place() +
                         ": expected an id, a class from 0 on and a finite "
                         "score, found \"" +
                         std::string(fields[id]) + "\", " + std::string(fields[label]) + ", " +
                         std::string(fields[score]));
      }
      images_.push_back(image);
    }
  }

  [[nodiscard]] const std::vector<ScoredImage>& images() const { return images_; }

private:
  std::unique_ptr<CsvReader> reader_; ///< holds the texts
  std::vector<ScoredImage> images_;
};

} // namespace d2c
