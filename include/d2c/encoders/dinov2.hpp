#pragma once
/// The DINOv2 vision encoders as types: their facts. The network is encoders/dinov2_network.hpp.

#include <string_view>

#include <d2c/encoders/dinov2_tensors.hpp>
#include <d2c/encoders/patch_grid_facts.hpp>
#include <d2c/encoders/position_rule.hpp>

namespace d2c {

class DINOv2Network;

/// The facts of a DINOv2 encoder. Its images have 14 * Grid pixels a side: 16 is REPA's grid for
/// images of 256 pixels, 32 (OnGrid) for 512.
template <DINOv2Shape Shape, int Grid = 16, PositionRule Positions = PositionRule::antialiased>
using DINOv2Facts = PatchGridFacts<DINOv2Network, Shape, Grid, Positions>;

/// ViT-B/14 (Oquab et al. 2023), the paper's encoder: 16 x 16 patch tokens of width 768. Attacher
/// policy of role vision_encoder, as are the other sizes.
struct DINOv2 : DINOv2Facts<dinov2_shapes::B> {
  static constexpr std::string_view name = "DINOv2";
};

/// ViT-S/14, width 384.
struct DINOv2S : DINOv2Facts<dinov2_shapes::S> {
  static constexpr std::string_view name = "DINOv2S";
};

/// ViT-L/14, width 1024.
struct DINOv2L : DINOv2Facts<dinov2_shapes::L> {
  static constexpr std::string_view name = "DINOv2L";
};

/// ViT-g/14, width 1536.
struct DINOv2g : DINOv2Facts<dinov2_shapes::g> {
  static constexpr std::string_view name = "DINOv2g";
};

/// The same networks trained with four register tokens (Darcet et al. 2024).
struct DINOv2Registers : DINOv2Facts<dinov2_shapes::with_registers(dinov2_shapes::B)> {
  static constexpr std::string_view name = "DINOv2Registers";
};

struct DINOv2SRegisters : DINOv2Facts<dinov2_shapes::with_registers(dinov2_shapes::S)> {
  static constexpr std::string_view name = "DINOv2SRegisters";
};

struct DINOv2LRegisters : DINOv2Facts<dinov2_shapes::with_registers(dinov2_shapes::L)> {
  static constexpr std::string_view name = "DINOv2LRegisters";
};

struct DINOv2gRegisters : DINOv2Facts<dinov2_shapes::with_registers(dinov2_shapes::g)> {
  static constexpr std::string_view name = "DINOv2gRegisters";
};

} // namespace d2c
