#pragma once
/// The vision towers of SigLIP as types: their facts. The network is encoders/siglip_network.hpp.

#include <string_view>

#include <d2c/encoders/patch_grid_facts.hpp>
#include <d2c/encoders/position_rule.hpp>
#include <d2c/encoders/siglip_tensors.hpp>

namespace d2c {

class SigLIPNetwork;

/// The facts of a tower of SigLIP, on the grid of the learned positions unless OnGrid names
/// another. The class token is that of the pooling head.
template <SigLIPShape Shape, int Grid = Shape.positions,
          PositionRule Positions = PositionRule::antialiased>
using SigLIPFacts = PatchGridFacts<SigLIPNetwork, Shape, Grid, Positions>;

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
