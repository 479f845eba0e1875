#pragma once
/// The MoCo v3 vision encoders as types: their facts. The network is encoders/mocov3_network.hpp.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/encoders/class_token_origin.hpp>
#include <d2c/encoders/mocov3_tensors.hpp>
#include <d2c/encoders/on_grid.hpp>
#include <d2c/encoders/position_rule.hpp>

namespace d2c {

class MoCoV3Network;

/// What the types below share: Grid x Grid patch tokens of images of 16 * Grid pixels; 16 is REPA's
/// grid for images of 256 pixels. The class token is attached by WithClassToken alone.
template <VisionTransformerShape Shape, int Grid = 16,
          PositionRule Positions = PositionRule::antialiased>
struct MoCoV3Facts {
  static_assert(Shape.heads > 0 && Shape.width % Shape.heads == 0,
                "the heads share the width evenly");
  static_assert(Grid > 0, "a grid has places");
  using role = roles::vision_encoder;
  using network = MoCoV3Network;
  template <int Other>
  using on_grid = MoCoV3Facts<Shape, Other, Positions>;
  template <PositionRule Other>
  using with_positions = MoCoV3Facts<Shape, Grid, Other>;
  static constexpr VisionTransformerShape shape = Shape;
  static constexpr int grid = Grid;
  static constexpr PositionRule position_rule = Positions;
  static constexpr int tokens = Grid * Grid;
  static constexpr int width = Shape.width;
  static constexpr ClassTokenOrigin class_token = ClassTokenOrigin::own;
  static constexpr auto provides = set_of<VisualTokens>;
};

/// ViT-B/16 of MoCo v3 (Chen, Xie and He 2021): 16 x 16 patch tokens of width 768. Attacher policy
/// of role vision_encoder, as are the other sizes.
struct MoCoV3 : MoCoV3Facts<mocov3_shapes::B> {
  static constexpr std::string_view name = "MoCoV3";
};

/// ViT-S/16, width 384.
struct MoCoV3S : MoCoV3Facts<mocov3_shapes::S> {
  static constexpr std::string_view name = "MoCoV3S";
};

/// ViT-L/16, width 1024.
struct MoCoV3L : MoCoV3Facts<mocov3_shapes::L> {
  static constexpr std::string_view name = "MoCoV3L";
};

} // namespace d2c
