#pragma once
/// The facts of a vision transformer that cuts an image into patches. Torch-free.

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/encoders/class_token_origin.hpp>

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

/// What the types of such a network share, whatever it does about positions: Grid x Grid patch
/// tokens. `Shape` is a structure with `width` and heads. The class token is attached by
/// WithClassToken alone. A type derived from it and with a name is an Attacher policy of role
/// vision_encoder.
template <class Network, auto Shape, int Grid>
struct PatchTokenFacts {
  static_assert(detail::heads_fill_width(Shape), "the heads share the width evenly");
  static_assert(Grid > 0, "a grid has places");
  using role = roles::vision_encoder;
  using network = Network;
  static constexpr auto shape = Shape;
  static constexpr int grid = Grid;
  static constexpr int tokens = Grid * Grid;
  static constexpr int width = Shape.width;
  static constexpr ClassTokenOrigin class_token = ClassTokenOrigin::own;
  static constexpr auto provides = set_of<VisualTokens>;
};

} // namespace d2c
