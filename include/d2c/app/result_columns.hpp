#pragma once
/// The columns of the tables of results, in the terminal and in the report.

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace d2c {

struct ResultColumn {
  std::string_view key;   ///< in summary.json
  std::string_view title; ///< for the report
};

/// Those that one of the arms has (`arms` of summary.json): facts of the run, then distances, then
/// scores.
template <class Json>
std::vector<ResultColumn> result_columns(const Json& arms) {
  constexpr std::array<ResultColumn, 17> all = {
      {{"images", "training images"},
       {"steps", "steps"},
       {"samples", "samples"},
       {"frechet", "Frechet distance"},
       {"fid", "FID"},
       {"half_pixel_fid", "FID, half-pixel resize"},
       {"sfid", "sFID"},
       {"fd_dinov2", "FD-DINOv2"},
       {"kid", "KID"},
       {"inception_score", "Inception score"},
       {"shuffled_inception_score", "Inception score, shuffled"},
       {"precision", "precision"},
       {"recall", "recall"},
       {"density", "density"},
       {"coverage", "coverage"},
       {"copies", "near copies"},
       {"copies_dinov2", "near copies by DINOv2"}}};
  std::vector<ResultColumn> shown;
  std::copy_if(all.begin(), all.end(), std::back_inserter(shown), [&](const ResultColumn& column) {
    return std::any_of(arms.begin(), arms.end(),
                       [&](const Json& numbers) { return numbers.contains(column.key); });
  });
  return shown;
}

} // namespace d2c
