#pragma once
/// The vision towers of CLIP as types: their facts. The network is encoders/clip_network.hpp.

#include <string_view>

#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/patch_grid_facts.hpp>
#include <d2c/encoders/position_rule.hpp>

namespace d2c {

class CLIPNetwork;

/// The facts of a vision tower of CLIP, on the grid of the learned positions unless OnGrid names
/// another.
template <CLIPShape Shape, int Grid = Shape.positions,
          PositionRule Positions = PositionRule::antialiased>
using CLIPFacts = PatchGridFacts<CLIPNetwork, Shape, Grid, Positions>;

/// ViT-L/14 (Radford et al. 2021), REPA's CLIP encoder: 16 x 16 patch tokens of width 1024.
/// Attacher policy of role vision_encoder, as are the other sizes.
struct CLIP : CLIPFacts<clip_shapes::L14> {
  static constexpr std::string_view name = "CLIP";
};

/// ViT-L/14 at 336 pixels: 24 x 24 tokens.
struct CLIPL336 : CLIPFacts<clip_shapes::L14_336> {
  static constexpr std::string_view name = "CLIPL336";
};

/// ViT-B/16: 14 x 14 tokens of width 768.
struct CLIPB16 : CLIPFacts<clip_shapes::B16> {
  static constexpr std::string_view name = "CLIPB16";
};

/// ViT-B/32: 7 x 7 tokens of width 768.
struct CLIPB32 : CLIPFacts<clip_shapes::B32> {
  static constexpr std::string_view name = "CLIPB32";
};

/// OpenCLIP's ViT-H/14 (LAION-2B): 16 x 16 tokens of width 1280.
struct CLIPH : CLIPFacts<clip_shapes::H14> {
  static constexpr std::string_view name = "CLIPH";
};

} // namespace d2c
