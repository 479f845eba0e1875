#pragma once
/// The facts of a vision transformer with learned positions on a grid of patches. Torch-free.

#include <d2c/encoders/on_grid.hpp>
#include <d2c/encoders/patch_token_facts.hpp>
#include <d2c/encoders/position_rule.hpp>

namespace d2c {

/// What the vision encoders of one network share: patch tokens of images resized to patch * Grid
/// pixels, at positions that were learned on a grid of their own. OnGrid names another grid,
/// WithPositions another rule.
template <class Network, auto Shape, int Grid, PositionRule Positions>
struct PatchGridFacts : PatchTokenFacts<Network, Shape, Grid> {
  template <int Other>
  using on_grid = PatchGridFacts<Network, Shape, Other, Positions>;
  template <PositionRule Other>
  using with_positions = PatchGridFacts<Network, Shape, Grid, Other>;
  static constexpr PositionRule position_rule = Positions;
};

} // namespace d2c
