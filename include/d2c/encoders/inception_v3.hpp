#pragma once
/// The feature network of FID as a type: its facts. The network is
/// encoders/inception_v3_network.hpp.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/encoders/inception_v3_resize.hpp>
#include <d2c/encoders/published_moments.hpp>

namespace d2c {

/// The Inception-v3 of 2015-12-05 with 1008 classes that FID is defined on (Heusel et al. 2017):
/// 2048 pooled features for moments and neighbours, 2023 spatial ones and class scores without
/// bias. Not torchvision's network, whose weights and pools differ.
template <InceptionResizePolicy Resize = TensorFlowResize>
struct InceptionV3 {
  using resize = Resize;
  static constexpr auto text = "InceptionV3<" + Resize::text + ">";
  static constexpr std::string_view name = text;
  static constexpr int width = 2048;
  static constexpr int spatial_width = 2023;
  static constexpr PublishedMoments published_moments{Resize::rule, width, spatial_width};
};

} // namespace d2c
