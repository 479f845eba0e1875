#pragma once
/// The MAE vision encoders as types: their facts. The network is encoders/mae_network.hpp.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/encoders/class_token_origin.hpp>
#include <d2c/encoders/mae_tensors.hpp>
#include <d2c/encoders/on_grid.hpp>
#include <d2c/encoders/position_rule.hpp>

namespace d2c {

class MAENetwork;

/// What the types below share: Grid x Grid patch tokens of images of patch * Grid pixels; 16 is
/// REPA's grid for images of 256 pixels. The class token is attached by WithClassToken alone.
template <VisionTransformerShape Shape, int Grid = 16,
          PositionRule Positions = PositionRule::antialiased>
struct MAEFacts {
  static_assert(Shape.heads > 0 && Shape.width % Shape.heads == 0,
                "the heads share the width evenly");
  static_assert(Grid > 0, "a grid has places");
  using role = roles::vision_encoder;
  using network = MAENetwork;
  template <int Other>
  using on_grid = MAEFacts<Shape, Other, Positions>;
  template <PositionRule Other>
  using with_positions = MAEFacts<Shape, Grid, Other>;
  static constexpr VisionTransformerShape shape = Shape;
  static constexpr int grid = Grid;
  static constexpr PositionRule position_rule = Positions;
  static constexpr int tokens = Grid * Grid;
  static constexpr int width = Shape.width;
  static constexpr ClassTokenOrigin class_token = ClassTokenOrigin::own;
  static constexpr auto provides = set_of<VisualTokens>;
};

/// ViT-L/16 of the masked autoencoders (He et al. 2022): 16 x 16 patch tokens of width 1024.
/// Attacher policy of role vision_encoder, as are the other sizes.
struct MAE : MAEFacts<mae_shapes::L> {
  static constexpr std::string_view name = "MAE";
};

/// ViT-B/16, width 768.
struct MAEB : MAEFacts<mae_shapes::B> {
  static constexpr std::string_view name = "MAEB";
};

/// ViT-H/14, width 1280: images of 224 pixels, as in its training.
struct MAEH : MAEFacts<mae_shapes::H> {
  static constexpr std::string_view name = "MAEH";
};

} // namespace d2c
