#pragma once
/// Squared Euclidean distances between rows, in tiles: the arithmetic behind precision, recall and
/// the copy audit.

#include <algorithm>
#include <cstdint>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Distances [a, b] between the rows of `first` [a, D] and `second` [b, D] in their own type, as
/// |u|^2 - 2 u.v + |v|^2, never below 0.
inline Tensor squared_distances(const Tensor& first, const Tensor& second) {
  return at::addmm(first.square().sum(1, true) + second.square().sum(1).unsqueeze(0), first,
                   second.t(), 1.0, -2.0)
      .clamp_min_(0.0);
}

/// Calls `use(begin, tile)` for consecutive rows of the matrix squared_distances(rows, columns),
/// about 64 MB at a time, so that memory does not grow with the product of the set sizes.
template <class Use>
void for_each_distance_tile(const Tensor& rows, const Tensor& columns, Use&& use) {
  const std::int64_t tile = std::max<std::int64_t>(
      1, (std::int64_t{16} << 20) / std::max<std::int64_t>(1, columns.size(0)));
  for (std::int64_t begin = 0; begin < rows.size(0); begin += tile) {
    const std::int64_t end = std::min(begin + tile, rows.size(0));
    use(begin, squared_distances(rows.slice(0, begin, end), columns));
  }
}

} // namespace d2c
