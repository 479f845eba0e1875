#pragma once
/// The feature network of the measures of this library that need no published Inception weights, as
/// a type. The network is encoders/efficientnet_lite0_network.hpp.

#include <string_view>

#include <d2c/core/fixed_string.hpp>

namespace d2c {

/// Globally pooled features of EfficientNet-Lite0 before its classifier, one vector of width 1280
/// per image. Distances in them are named after it and never called FID.
struct EfficientNetLite0Pool {
  static constexpr fixed_string text = "EfficientNetLite0Pool";
  static constexpr std::string_view name = text;
  static constexpr int width = 1280;
};

} // namespace d2c
