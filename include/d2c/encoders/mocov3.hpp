#pragma once
/// The MoCo v3 vision encoders as types: their facts. The network is encoders/mocov3_network.hpp.

#include <string_view>

#include <d2c/encoders/mocov3_tensors.hpp>
#include <d2c/encoders/patch_grid_facts.hpp>
#include <d2c/encoders/position_rule.hpp>

namespace d2c {

class MoCoV3Network;

/// The facts of a MoCo v3 encoder. Its images have 16 * Grid pixels a side; 16 is REPA's grid for
/// images of 256 pixels.
template <VisionTransformerShape Shape, int Grid = 16,
          PositionRule Positions = PositionRule::antialiased>
using MoCoV3Facts = PatchGridFacts<MoCoV3Network, Shape, Grid, Positions>;

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
