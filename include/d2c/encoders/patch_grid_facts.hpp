#pragma once
/// The facts of a vision transformer with learned positions on a grid of patches. Torch-free.

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/encoders/class_token_origin.hpp>
#include <d2c/encoders/on_grid.hpp>
#include <d2c/encoders/position_rule.hpp>

namespace d2c {

namespace detail {

/// Whether heads fill the width of a shape: heads of a fixed width or, where the shape has none, so
/// many heads of equal width.
template <class Shape>
constexpr bool heads_fill_width(const Shape& shape) {
  if constexpr (requires { Shape::head_width; }) {
    return shape.width > 0 && shape.width % Shape::head_width == 0;
  } else {
    return shape.heads > 0 && shape.width % shape.heads == 0;
  }
}

} // namespace detail

/// What the vision encoders of one network share: Grid x Grid patch tokens of images resized to
/// patch * Grid pixels. `Shape` is a structure with `width` and heads. OnGrid names another grid,
/// WithPositions another rule; the class token is attached by WithClassToken alone. A type derived
/// from it and with a name is an Attacher policy of role vision_encoder.
template <class Network, auto Shape, int Grid, PositionRule Positions>
struct PatchGridFacts {
  static_assert(detail::heads_fill_width(Shape), "the heads share the width evenly");
  static_assert(Grid > 0, "a grid has places");
  using role = roles::vision_encoder;
  using network = Network;
  template <int Other>
  using on_grid = PatchGridFacts<Network, Shape, Other, Positions>;
  template <PositionRule Other>
  using with_positions = PatchGridFacts<Network, Shape, Grid, Other>;
  static constexpr auto shape = Shape;
  static constexpr int grid = Grid;
  static constexpr PositionRule position_rule = Positions;
  static constexpr int tokens = Grid * Grid;
  static constexpr int width = Shape.width;
  static constexpr ClassTokenOrigin class_token = ClassTokenOrigin::own;
  static constexpr auto provides = set_of<VisualTokens>;
};

} // namespace d2c
