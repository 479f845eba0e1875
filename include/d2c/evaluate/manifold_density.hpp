#pragma once
/// Density and coverage of Naeem et al. 2020: precision and recall that outliers of the real images
/// do not inflate.

#include <cstdint>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/evaluate/manifold_overlap.hpp>
#include <d2c/evaluate/squared_distances.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// What two sets of features have in common, seen from the real ones.
struct ManifoldDensity {
  double density = 0;  ///< balls of reference points around a sample, over k; may exceed 1
  double coverage = 0; ///< share of reference points with a sample in their ball
};

/// Density and coverage of `samples` [n, D] among `reference` [m, D] with k neighbours (5 in the
/// paper), in float32 and squared distances, `<` as in the authors' code. Throws InputError if the
/// widths differ, a set is empty or the reference has no more than k points.
template <class = Once>
ManifoldDensity manifold_density(const Tensor& reference, const Tensor& samples,
                                 std::int64_t k = 5) {
  if (reference.dim() != 2 || samples.dim() != 2 || reference.size(1) != samples.size(1) ||
      samples.size(0) == 0) {
    throw InputError("density and coverage: expected two sets of features of one width, none "
                     "empty, found shapes " +
                     c10::str(reference.sizes()) + " and " + c10::str(samples.sizes()));
  }
  if (k < 1 || reference.size(0) <= k) {
    throw InputError("density and coverage: expected more real images than neighbours and at least "
                     "one neighbour, found " +
                     std::to_string(reference.size(0)) +
                     " images and neighbours = " + std::to_string(k));
  }
  const Tensor real = reference.to(at::kFloat);
  const Tensor made = samples.to(at::kFloat);
  const Tensor radii = manifold_radii(real, k);
  std::int64_t balls = 0;
  const Tensor covered = at::zeros({real.size(0)}, real.options().dtype(at::kBool));
  for_each_distance_tile(made, real, [&](std::int64_t, std::int64_t column, const Tensor& tile) {
    const std::int64_t end = column + tile.size(1);
    const Tensor inside = tile < radii.slice(0, column, end);
    balls += inside.sum().item<std::int64_t>();
    covered.slice(0, column, end).logical_or_(inside.any(0));
  });
  return {static_cast<double>(balls) / static_cast<double>(k) / static_cast<double>(made.size(0)),
          static_cast<double>(covered.sum().item<std::int64_t>()) /
              static_cast<double>(real.size(0))};
}
D2C_COMPILED_ONCE(ManifoldDensity manifold_density<>(const Tensor&, const Tensor&, std::int64_t))

} // namespace d2c
