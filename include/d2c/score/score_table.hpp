#pragma once
/// From the loss matrix to one score and one standard error per image. Arithmetic only: no network,
/// no files, no torch.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/score/score_column.hpp>

namespace d2c {

/// One value per image, in the order of the matrix's rows.
struct ScoreTable {
  std::vector<double> score;          ///< weighted mean loss: higher is harder (Eq. 7, positive)
  std::vector<double> standard_error; ///< of the score within its class; NaN where undefined
};

/// Scores from `losses` [images, columns] row-major, class labels [images] and optional column
/// weights [columns] (any positive scale; empty: equal). score = weighted mean of the row.
///
/// Standard error: antithetic partners are averaged first, since only whole pairs are estimates.
/// Then what all images of a class share is removed (the class mean of each pair), because ranks
/// are compared inside a class only, and the pairs are jackknifed. It answers "how far would this
/// image's distance to its class mean move with other times and noises?". Times on a grid are
/// strata, not independent draws, so for a grid the number is an upper estimate: it counts the
/// smooth change of an image's difficulty with time as if it were noise. Undefined with fewer than
/// two pairs or a class of one image. InputError if sizes disagree or a weight is not positive.
template <class = Once>
[[nodiscard]] ScoreTable
score_table(std::span<const float> losses, std::span<const ScoreColumn> columns,
            std::span<const std::int32_t> labels, std::span<const double> weights = {}) {
  const std::size_t n = labels.size();
  const std::size_t width = columns.size();
  if (width == 0 || losses.size() != n * width) {
    throw InputError("loss matrix: expected " + std::to_string(n) + " images x " +
                     std::to_string(width) + " columns (at least one), found " +
                     std::to_string(losses.size()) + " losses");
  }
  if (!weights.empty() && weights.size() != width) {
    throw InputError("loss matrix: expected one weight for each of " + std::to_string(width) +
                     " columns, found " + std::to_string(weights.size()));
  }

  // Columns that share everything but the sign of their noise form one group.
  std::vector<std::size_t> group_of(width);
  std::vector<std::size_t> first_of;
  std::vector<double> group_weight;
  double total = 0;
  for (std::size_t j = 0; j < width; ++j) {
    const double weight = weights.empty() ? 1 : weights[j];
    if (!(weight > 0) || !std::isfinite(weight)) {
      throw InputError("loss matrix: expected a positive weight for column " + std::to_string(j) +
                       ", found " + std::to_string(weight));
    }
    std::size_t group = 0;
    while (group < first_of.size() && !columns[first_of[group]].pairs_with(columns[j])) {
      ++group;
    }
    if (group == first_of.size()) {
      first_of.push_back(j);
      group_weight.push_back(0);
    }
    group_of[j] = group;
    group_weight[group] += weight;
    total += weight;
  }
  const std::size_t groups = first_of.size();

  ScoreTable table;
  table.score.resize(n);
  table.standard_error.assign(n, std::numeric_limits<double>::quiet_NaN());
  std::vector<double> pair_mean(n * groups, 0);

  struct ClassSums {
    std::size_t images = 0;
    std::vector<double> pairs;
  };

  std::map<std::int32_t, ClassSums> classes;
  for (std::size_t i = 0; i < n; ++i) {
    double* row = pair_mean.data() + i * groups;
    for (std::size_t j = 0; j < width; ++j) {
      row[group_of[j]] += (weights.empty() ? 1 : weights[j]) * losses[i * width + j];
    }
    ClassSums& sums = classes[labels[i]];
    sums.pairs.resize(groups, 0);
    sums.images += 1;
    double score = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      score += row[g];
      row[g] /= group_weight[g];
      sums.pairs[g] += row[g];
    }
    table.score[i] = score / total;
  }

  if (groups < 2) {
    return table;
  }
  std::vector<double> left_out(groups);
  for (std::size_t i = 0; i < n; ++i) {
    const ClassSums& sums = classes[labels[i]];
    if (sums.images < 2) {
      continue;
    }
    const auto images = static_cast<double>(sums.images);
    const double* row = pair_mean.data() + i * groups;
    double centred_total = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      left_out[g] = row[g] - sums.pairs[g] / images;
      centred_total += group_weight[g] * left_out[g];
    }
    double mean = 0;
    for (std::size_t g = 0; g < groups; ++g) {
      left_out[g] = (centred_total - group_weight[g] * left_out[g]) / (total - group_weight[g]);
      mean += left_out[g] / static_cast<double>(groups);
    }
    double squares = 0;
    for (const double value : left_out) {
      squares += (value - mean) * (value - mean);
    }
    // The class mean contains the image itself: the residual is too small by (images - 1) / images.
    const double shrink = static_cast<double>(groups - 1) / static_cast<double>(groups);
    table.standard_error[i] = std::sqrt(squares * shrink * images / (images - 1));
  }
  return table;
}
D2C_COMPILED_ONCE(ScoreTable score_table<>(std::span<const float>, std::span<const ScoreColumn>,
                                           std::span<const std::int32_t>, std::span<const double>))

} // namespace d2c
