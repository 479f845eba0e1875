#pragma once
/// The MAE vision encoders as types: their facts. The network is encoders/mae_network.hpp.

#include <string_view>

#include <d2c/encoders/mae_tensors.hpp>
#include <d2c/encoders/patch_grid_facts.hpp>
#include <d2c/encoders/position_rule.hpp>

namespace d2c {

class MAENetwork;

/// The facts of an MAE encoder. Its images have patch * Grid pixels a side; 16 is REPA's grid for
/// images of 256 pixels.
template <VisionTransformerShape Shape, int Grid = 16,
          PositionRule Positions = PositionRule::antialiased>
using MAEFacts = PatchGridFacts<MAENetwork, Shape, Grid, Positions>;

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
