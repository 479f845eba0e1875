#pragma once
/// Positions that a vision transformer learned on one grid, on another grid.

#include <cstdint>

#include <d2c/core/compiled_once.hpp>
#include <d2c/encoders/position_rule.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The positions [1, rows * columns, D] of a grid from those of a square one [1, side^2, D], rows
/// first and without a class token; the learned ones where the grid is theirs.
template <class = Once>
Tensor positions_on_grid(const Tensor& learned, std::int64_t side, std::int64_t rows,
                         std::int64_t columns, PositionRule rule) {
  if (rows == side && columns == side) {
    return learned;
  }
  const c10::NoGradGuard no_grad;
  const Tensor grid =
      learned.transpose(1, 2).reshape({1, learned.size(2), side, side}).contiguous();
  const auto scaled = [&](std::int64_t size) {
    return (static_cast<double>(size) + 0.1) / static_cast<double>(side);
  };
  Tensor resized;
  switch (rule) {
  case PositionRule::antialiased:
    resized = at::_upsample_bicubic2d_aa(grid, {rows, columns}, false);
    break;
  case PositionRule::plain:
    resized = at::upsample_bicubic2d(grid, {rows, columns}, false);
    break;
  case PositionRule::offset:
    resized = at::upsample_bicubic2d(grid, {rows, columns}, false, scaled(rows), scaled(columns));
    break;
  }
  return resized.flatten(2).transpose(1, 2);
}
D2C_COMPILED_ONCE(Tensor positions_on_grid<>(const Tensor&, std::int64_t, std::int64_t,
                                             std::int64_t, PositionRule))

} // namespace d2c
