#pragma once
/// The report's section on the scores and what was selected by them.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <d2c/app/report_input.hpp>
#include <d2c/app/report_picture.hpp>
#include <d2c/app/svg_chart.hpp>
#include <d2c/io/contact_sheet.hpp>
#include <d2c/score/score_file.hpp>
#include <d2c/select/subset_file.hpp>

namespace d2c::report {

namespace detail {

/// Ids by class, each class from easy to hard.
using Ranking = std::map<std::int32_t, std::vector<std::string_view>>;

/// The classes' images by their scores, equal scores by id.
inline Ranking ranking_of(const ScoreFile& scores) {
  std::map<std::int32_t, std::vector<std::pair<double, std::string_view>>> scored;
  for (const ScoredImage& image : scores.images()) {
    scored[image.label].emplace_back(image.score, image.id);
  }
  Ranking ranking;
  for (auto& [label, images] : scored) {
    std::ranges::sort(images);
    auto& ids = ranking[label];
    for (const auto& [score, id] : images) {
      ids.push_back(id);
    }
  }
  return ranking;
}

/// The kept images by class, in the order of the file, which is that of their ranks.
inline Ranking ranking_of(const std::vector<SubsetRow>& rows) {
  Ranking ranking;
  for (const SubsetRow& row : rows) {
    ranking[row.label].push_back(row.id);
  }
  return ranking;
}

/// Sheets of the same classes, a row each, and of ten images of them.
class ClassSheets {
public:
  static constexpr std::size_t most_classes = 20;
  static constexpr std::size_t columns = 10;

  ClassSheets(const ImageSet& images, std::vector<std::int32_t> classes)
      : images_{images}, classes_{std::move(classes)} {
    for (std::size_t i = 0; i < images.ids.size(); ++i) {
      index_of_.emplace(images.ids[i], static_cast<std::int64_t>(i));
    }
  }

  /// `place(members, column)` says which member of a class stands in a column.
  template <class Place>
  [[nodiscard]] std::string sheet(const std::string& caption, const Ranking& ranking,
                                  Place place) const {
    ContactSheet sheet{static_cast<int>(classes_.size()), static_cast<int>(columns),
                       images_.channels, images_.height, images_.width};
    for (std::size_t row = 0; row < classes_.size(); ++row) {
      const auto members = ranking.find(classes_[row]);
      for (std::size_t column = 0; members != ranking.end() && column < columns; ++column) {
        const std::size_t at = place(members->second.size(), column);
        if (at >= members->second.size()) {
          continue; // a class with fewer images than columns
        }
        if (const auto found = index_of_.find(members->second[at]); found != index_of_.end()) {
          sheet.place(static_cast<int>(row), static_cast<int>(column),
                      images_.image(found->second));
        }
      }
    }
    return picture(sheet, caption);
  }

private:
  const ImageSet& images_;
  std::vector<std::int32_t> classes_;
  std::unordered_map<std::string_view, std::int64_t> index_of_;
};

} // namespace detail

/// The histogram of scores, and the easiest, selected and hardest images of each class, of the
/// first arm that scores and selects; empty if none does. Only the histogram where `input` has no
/// images.
inline std::string selection_section(const ReportInput& input) {
  for (const ReportArm& arm : input.arms) {
    const auto score_file = arm.file("Scores", "scores.csv");
    const auto subset_file = arm.file("Subset", "subset.csv");
    if (!score_file || !subset_file) {
      continue;
    }
    const ScoreFile scores{*score_file};
    const std::vector<SubsetRow> subset = read_subset(*subset_file);
    svg::Series all{"all", {}, {}};
    for (const ScoredImage& image : scores.images()) {
      all.x.push_back(image.score);
    }
    std::vector<svg::Series> sets{std::move(all)};
    svg::Series selected{"selected", {}, {}};
    for (const SubsetRow& row : subset) {
      if (std::isfinite(row.score)) { // none where scores had no say
        selected.x.push_back(row.score);
      }
    }
    if (!selected.x.empty()) {
      sets.push_back(std::move(selected));
    }
    std::string out = "<h2>Select</h2>\n<p>The difficulty score is the mean squared error of the "
                      "scorer's noise estimate. Every class is sorted from easy to hard.</p>\n";
    out += svg::histogram({"Difficulty of all images and of the selected ones (" + arm.name + ")",
                           "score", "share", 760, 300},
                          sets);
    if (!input.images) {
      return out;
    }
    const detail::Ranking ranking = detail::ranking_of(scores);
    std::vector<std::int32_t> classes;
    for (const auto& [label, ids] : ranking) {
      if (classes.size() < detail::ClassSheets::most_classes) {
        classes.push_back(label);
      }
    }
    if (classes.size() < ranking.size()) {
      out += "<p class=\"note\">The first " + std::to_string(classes.size()) + " of " +
             std::to_string(ranking.size()) + " classes.</p>\n";
    }
    const ImageSet images = input.images(Split::train);
    const detail::ClassSheets sheets{images, std::move(classes)};
    constexpr std::size_t columns = detail::ClassSheets::columns;
    out += "<div class=\"sheets\">";
    out += sheets.sheet("easiest of each class", ranking,
                        [](std::size_t, std::size_t column) { return column; });
    out += sheets.sheet("selected, from easy to hard", detail::ranking_of(subset),
                        [](std::size_t size, std::size_t column) {
                          return size < columns ? column : size * column / columns;
                        });
    out += sheets.sheet("hardest of each class", ranking, [](std::size_t size, std::size_t column) {
      return column < size ? size - 1 - column : size;
    });
    return out + "</div>\n";
  }
  return {};
}

} // namespace d2c::report
