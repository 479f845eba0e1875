#pragma once
/// Improved precision and recall of Kynkaanniemi et al. 2019: the overlap of two sets of features,
/// each drawn as balls around its points.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/evaluate/squared_distances.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Shares in [0, 1].
struct ManifoldOverlap {
  double precision = 0; ///< samples inside the ball of some reference point
  double recall = 0;    ///< reference points inside the ball of some sample
};

/// Squared radius [n] of the ball around every row of `points` [n, D]: the distance to its k-th
/// neighbour, which is entry k of the ascending distances with the point itself (at 0) as entry 0.
inline Tensor manifold_radii(const Tensor& points, std::int64_t k) {
  std::vector<Tensor> radii;
  Tensor least; // the k + 1 least distances of some rows to the columns so far
  for_each_distance_tile(points, points, [&](std::int64_t row, std::int64_t column, Tensor tile) {
    // The expansion leaves rounding where the distance to itself is 0; it must not look like a
    // neighbour.
    tile.diagonal(row - column).zero_();
    const Tensor near = std::get<0>(tile.topk(std::min(k + 1, tile.size(1)), 1, /*largest=*/false));
    least = column == 0 ? near : at::cat({least, near}, 1);
    if (least.size(1) > k + 1) {
      least = std::get<0>(least.topk(k + 1, 1, /*largest=*/false));
    }
    if (column + tile.size(1) == points.size(0)) {
      radii.push_back(std::get<0>(least.max(1)));
    }
  });
  return at::cat(radii);
}

/// Precision of `samples` [n, D] and recall of `reference` [m, D] with k neighbours (3 is usual),
/// in float32 and squared distances, `<=` as in the ADM evaluator. Throws InputError if a set has
/// no more than k points or the widths differ.
template <class = Once>
ManifoldOverlap manifold_overlap(const Tensor& reference, const Tensor& samples,
                                 std::int64_t k = 3) {
  if (reference.dim() != 2 || samples.dim() != 2 || reference.size(1) != samples.size(1)) {
    throw InputError("precision and recall: expected two sets of features of one width, found "
                     "shapes " +
                     c10::str(reference.sizes()) + " and " + c10::str(samples.sizes()));
  }
  for (const Tensor* set : {&reference, &samples}) {
    if (k < 1 || set->size(0) <= k) {
      throw InputError("precision and recall: expected more points than neighbours and at least "
                       "one neighbour, found " +
                       std::to_string(set->size(0)) +
                       " points and neighbours = " + std::to_string(k));
    }
  }
  const Tensor real = reference.to(at::kFloat);
  const Tensor made = samples.to(at::kFloat);
  const Tensor real_radii = manifold_radii(real, k);
  const Tensor made_radii = manifold_radii(made, k);
  const Tensor inside = at::zeros({made.size(0)}, made.options().dtype(at::kBool));
  const Tensor covered = at::zeros({real.size(0)}, real.options().dtype(at::kBool));
  for_each_distance_tile(
      made, real, [&](std::int64_t row, std::int64_t column, const Tensor& tile) {
        const auto of_rows = [&](const Tensor& all) {
          return all.slice(0, row, row + tile.size(0));
        };
        const auto of_columns = [&](const Tensor& all) {
          return all.slice(0, column, column + tile.size(1));
        };
        of_rows(inside).logical_or_((tile <= of_columns(real_radii)).any(1));
        of_columns(covered).logical_or_((tile <= of_rows(made_radii).unsqueeze(1)).any(0));
      });
  const auto share = [](const Tensor& found) {
    return static_cast<double>(found.sum().item<std::int64_t>()) /
           static_cast<double>(found.size(0));
  };
  return {share(inside), share(covered)};
}
D2C_COMPILED_ONCE(ManifoldOverlap manifold_overlap<>(const Tensor&, const Tensor&, std::int64_t))

} // namespace d2c
