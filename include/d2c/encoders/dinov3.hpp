#pragma once
/// The DINOv3 vision encoders as types: their facts. The network is encoders/dinov3_network.hpp.

#include <string_view>

#include <d2c/encoders/dinov3_tensors.hpp>
#include <d2c/encoders/on_grid.hpp>
#include <d2c/encoders/patch_token_facts.hpp>

namespace d2c {

class DINOv3Network;

/// What the types below share: Grid x Grid patch tokens of images of 16 * Grid pixels. 16 is the
/// grid for images of 256 pixels, 32 (OnGrid) for 512. The registers are never attached.
template <DINOv3Shape Shape, int Grid = 16>
struct DINOv3Facts : PatchTokenFacts<DINOv3Network, Shape, Grid> {
  template <int Other>
  using on_grid = DINOv3Facts<Shape, Other>;
};

/// ViT-B/16 (Simeoni et al. 2025): 16 x 16 patch tokens of width 768. Attacher policy of role
/// vision_encoder, as are the other sizes.
struct DINOv3 : DINOv3Facts<dinov3_shapes::B> {
  static constexpr std::string_view name = "DINOv3";
};

/// ViT-S/16, width 384.
struct DINOv3S : DINOv3Facts<dinov3_shapes::S> {
  static constexpr std::string_view name = "DINOv3S";
};

/// ViT-S+/16, with SwiGLU.
struct DINOv3SPlus : DINOv3Facts<dinov3_shapes::S_plus> {
  static constexpr std::string_view name = "DINOv3SPlus";
};

/// ViT-L/16, width 1024.
struct DINOv3L : DINOv3Facts<dinov3_shapes::L> {
  static constexpr std::string_view name = "DINOv3L";
};

/// ViT-H+/16, width 1280.
struct DINOv3HPlus : DINOv3Facts<dinov3_shapes::H_plus> {
  static constexpr std::string_view name = "DINOv3HPlus";
};

/// ViT-7B/16, the teacher of the others, width 4096.
struct DINOv3_7B : DINOv3Facts<dinov3_shapes::b7> {
  static constexpr std::string_view name = "DINOv3_7B";
};

} // namespace d2c
