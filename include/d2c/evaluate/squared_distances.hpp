#pragma once
/// Squared Euclidean distances between rows, in tiles: the arithmetic behind precision, recall and
/// the copy audit.

#include <algorithm>
#include <cstdint>

#include <d2c/tensor/torch.hpp>

namespace d2c {

namespace detail {

inline constexpr std::int64_t tile_numbers = std::int64_t{1} << 24; // 64 MB of float32
inline constexpr std::int64_t tile_columns = 4096;

/// |u|^2 [n] of every row u of `rows` [n, D].
inline Tensor squared_norms(const Tensor& rows) {
  const Tensor norms = at::empty({rows.size(0)}, rows.options());
  const std::int64_t step =
      std::max<std::int64_t>(1, tile_numbers / std::max<std::int64_t>(1, rows.size(1)));
  for (std::int64_t begin = 0; begin < rows.size(0); begin += step) {
    const std::int64_t end = std::min(begin + step, rows.size(0));
    norms.slice(0, begin, end).copy_(rows.slice(0, begin, end).square().sum(1));
  }
  return norms;
}

/// The distances of rows and columns whose norms are known.
inline Tensor squared_distances(const Tensor& first, const Tensor& first_norms,
                                const Tensor& second, const Tensor& second_norms) {
  Tensor tile = first_norms.unsqueeze(1) + second_norms.unsqueeze(0);
  tile.addmm_(first, second.t(), 1.0, -2.0);
  return tile.clamp_min_(0.0);
}

} // namespace detail

/// Distances [a, b] between the rows of `first` [a, D] and `second` [b, D] in their own type, as
/// |u|^2 - 2 u.v + |v|^2, never below 0.
inline Tensor squared_distances(const Tensor& first, const Tensor& second) {
  return detail::squared_distances(first, detail::squared_norms(first), second,
                                   detail::squared_norms(second));
}

/// Calls `use(row, column, tile)` for the tiles of the matrix squared_distances(rows, columns), row
/// and column being the place of the tile's first entry: all tiles of some rows, in the order of
/// their columns, then those of the next rows. A tile has at most 2^24 entries (64 MB of float32);
/// beside it and what `use` makes of it there is a number for every row and column.
template <class Use>
void for_each_distance_tile(const Tensor& rows, const Tensor& columns, Use&& use) {
  const std::int64_t width = std::clamp<std::int64_t>(columns.size(0), 1, detail::tile_columns);
  const std::int64_t height = detail::tile_numbers / width;
  const Tensor row_norms = detail::squared_norms(rows);
  const Tensor column_norms = columns.is_same(rows) ? row_norms : detail::squared_norms(columns);
  for (std::int64_t row = 0; row < rows.size(0); row += height) {
    const std::int64_t rows_end = std::min(row + height, rows.size(0));
    for (std::int64_t column = 0; column < columns.size(0); column += width) {
      const std::int64_t columns_end = std::min(column + width, columns.size(0));
      use(row, column,
          detail::squared_distances(rows.slice(0, row, rows_end), row_norms.slice(0, row, rows_end),
                                    columns.slice(0, column, columns_end),
                                    column_norms.slice(0, column, columns_end)));
    }
  }
}

} // namespace d2c
