#pragma once
/// The vision towers of SigLIP as types: their facts. The network is encoders/siglip_network.hpp.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/encoders/class_token_origin.hpp>
#include <d2c/encoders/on_grid.hpp>
#include <d2c/encoders/position_rule.hpp>
#include <d2c/encoders/siglip_tensors.hpp>

namespace d2c {

class SigLIPNetwork;

/// What the types below share: Grid x Grid patch tokens of images resized to patch * Grid pixels,
/// the grid of the learned positions unless OnGrid names another. The class token, that of the
/// pooling head, is attached by WithClassToken alone.
template <SigLIPShape Shape, int Grid = Shape.positions,
          PositionRule Positions = PositionRule::antialiased>
struct SigLIPFacts {
  static_assert(Shape.heads > 0 && Shape.width % Shape.heads == 0,
                "the heads share the width evenly");
  static_assert(Grid > 0, "a grid has places");
  using role = roles::vision_encoder;
  using network = SigLIPNetwork;
  template <int Other>
  using on_grid = SigLIPFacts<Shape, Other, Positions>;
  template <PositionRule Other>
  using with_positions = SigLIPFacts<Shape, Grid, Other>;
  static constexpr SigLIPShape shape = Shape;
  static constexpr int grid = Grid;
  static constexpr PositionRule position_rule = Positions;
  static constexpr int tokens = Grid * Grid;
  static constexpr int width = Shape.width;
  static constexpr ClassTokenOrigin class_token = ClassTokenOrigin::own;
  static constexpr auto provides = set_of<VisualTokens>;
};

/// So400m/14 at 224 pixels (Zhai et al. 2023): 16 x 16 patch tokens of width 1152. Attacher policy
/// of role vision_encoder, as are the other sizes; SigLIP 2 has the same.
struct SigLIP : SigLIPFacts<siglip_shapes::So400m14> {
  static constexpr std::string_view name = "SigLIP";
};

/// B/16 at 256 pixels: 16 x 16 tokens of width 768.
struct SigLIPB : SigLIPFacts<siglip_shapes::B16> {
  static constexpr std::string_view name = "SigLIPB";
};

/// L/16 at 256 pixels: 16 x 16 tokens of width 1024.
struct SigLIPL : SigLIPFacts<siglip_shapes::L16> {
  static constexpr std::string_view name = "SigLIPL";
};

} // namespace d2c
