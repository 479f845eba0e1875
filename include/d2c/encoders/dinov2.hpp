#pragma once
/// The DINOv2-B vision encoder as a type: its facts.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/encoders/class_token_origin.hpp>

namespace d2c {

/// ViT-B/14 (Oquab et al. 2023) at 224 x 224: 16 x 16 patch tokens of width 768; its class token is
/// attached by WithClassToken<DINOv2> alone. Attacher policy of role vision_encoder.
struct DINOv2 {
  using role = roles::vision_encoder;
  static constexpr std::string_view name = "DINOv2";
  static constexpr int tokens = 256;
  static constexpr int width = 768;
  static constexpr ClassTokenOrigin class_token = ClassTokenOrigin::own;
  static constexpr auto provides = set_of<VisualTokens>;
};

} // namespace d2c
