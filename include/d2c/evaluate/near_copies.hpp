#pragma once
/// Do samples copy the images they were trained on? Nearest neighbours in a feature space, and how
/// unusually near they are.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/evaluate/squared_distances.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The nearest row of another set, for every row: distances [n] (Euclidean, float32) and its
/// index [n] (int64).
struct NearestRows {
  Tensor distance;
  Tensor index;
};

namespace detail {

/// For every row of `rows` [n, D] the nearest row of `columns` [m, D], m > 0; where both are the
/// same set, `others` leaves a row itself out.
inline NearestRows nearest(const Tensor& rows, const Tensor& columns, bool others) {
  constexpr std::int64_t at_once = 4096;
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const Tensor least = at::full({rows.size(0)}, infinity, rows.options());
  const Tensor index = at::zeros({rows.size(0)}, rows.options().dtype(at::kLong));
  for_each_distance_tile(rows, columns, [&](std::int64_t row, std::int64_t column, Tensor tile) {
    if (others) {
      tile.diagonal(row - column).fill_(infinity);
    }
    const auto [distance, place] = tile.min(1);
    Tensor least_here = least.slice(0, row, row + tile.size(0));
    Tensor index_here = index.slice(0, row, row + tile.size(0));
    index_here.copy_(at::where(distance < least_here, place + column, index_here));
    least_here.copy_(at::minimum(distance, least_here));
  });
  // Once more by differences: the expansion has no digits left for a true copy.
  const Tensor exact = at::empty({rows.size(0)}, rows.options());
  for (std::int64_t begin = 0; begin < rows.size(0); begin += at_once) {
    const std::int64_t end = std::min(begin + at_once, rows.size(0));
    const Tensor gap =
        rows.slice(0, begin, end) - columns.index_select(0, index.slice(0, begin, end));
    exact.slice(0, begin, end).copy_(gap.square().sum(1).sqrt());
  }
  return {exact, index};
}

} // namespace detail

/// For every row of `rows` [n, D] the nearest row of `columns` [m, D], m > 0; of equal ones some.
template <class = Once>
NearestRows nearest_rows(const Tensor& rows, const Tensor& columns) {
  return detail::nearest(rows, columns, false);
}
D2C_COMPILED_ONCE(NearestRows nearest_rows<>(const Tensor&, const Tensor&))

/// For every row of `rows` [n, D] the nearest other row; n is at least 2.
template <class = Once>
NearestRows nearest_other_rows(const Tensor& rows) {
  return detail::nearest(rows, rows, true);
}
D2C_COMPILED_ONCE(NearestRows nearest_other_rows<>(const Tensor&))

/// What the audit found. By chance `share` is percentile / 100.
struct NearCopies {
  double share = 0;     ///< samples nearer to a training image than the threshold
  double threshold = 0; ///< percentile of the distances of held-out images to the training set
  NearestRows samples;  ///< nearest training image of every sample
};

/// Compares distances of `samples` [n, D] to `training` [m, D] with those of `held_out` [h, D] real
/// images: a sample nearer than the `percentile` (0..100, linear interpolation as numpy's) of the
/// held-out ones counts as a near-copy. Without held-out images (an undefined tensor) training
/// images stand for them, each against the others. Throws InputError if a set is empty (or has one
/// training image that would stand for held-out ones) or the percentile lies outside 0..100.
template <class = Once>
NearCopies near_copies(const Tensor& samples, const Tensor& training, const Tensor& held_out,
                       double percentile) {
  const Tensor& real = held_out.defined() ? held_out : training;
  for (const Tensor* set : {&samples, &training, &real}) {
    if (set->dim() != 2 || set->size(0) == 0 || set->size(1) != training.size(1)) {
      throw InputError("copy audit: expected three sets of features [n, D] of one width, none "
                       "empty, found shapes " +
                       c10::str(samples.sizes()) + ", " + c10::str(training.sizes()) + " and " +
                       c10::str(real.sizes()));
    }
  }
  if (!held_out.defined() && training.size(0) < 2) {
    throw InputError("copy audit: expected held-out images or at least 2 training images, found 1 "
                     "training image");
  }
  if (!(percentile >= 0.0 && percentile <= 100.0)) {
    throw InputError("copy audit: expected a percentile between 0 and 100, found " +
                     std::to_string(percentile));
  }
  NearCopies found;
  found.samples = nearest_rows(samples, training);
  const Tensor usual =
      (held_out.defined() ? nearest_rows(held_out, training) : nearest_other_rows(training))
          .distance.to(at::kDouble);
  found.threshold = at::quantile(usual, percentile / 100.0).item<double>();
  found.share = (found.samples.distance.to(at::kDouble) < found.threshold)
                    .to(at::kDouble)
                    .mean()
                    .item<double>();
  return found;
}
D2C_COMPILED_ONCE(NearCopies near_copies<>(const Tensor&, const Tensor&, const Tensor&, double))

} // namespace d2c
