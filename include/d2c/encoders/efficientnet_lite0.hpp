#pragma once
/// The EfficientNet-Lite0 vision encoder as a type: its facts. The network is
/// encoders/efficientnet_lite0_network.hpp.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/encoders/class_token_origin.hpp>

namespace d2c {

/// Features of width 112 after block 10 (Tan & Le 2019), as Grid x Grid tokens: the grid of the
/// denoiser they are compared with. It has no class token: their mean stands for it. Attacher
/// policy of role vision_encoder.
template <int Grid = 7>
struct EfficientNetLite0 {
  using role = roles::vision_encoder;
  static constexpr auto text = "EfficientNetLite0<" + decimal<Grid>() + ">";
  static constexpr std::string_view name = text;
  static constexpr int grid = Grid;
  static constexpr int tokens = Grid * Grid;
  static constexpr int width = 112;
  static constexpr ClassTokenOrigin class_token = ClassTokenOrigin::pooled;
  static constexpr auto provides = set_of<VisualTokens>;
};

} // namespace d2c
