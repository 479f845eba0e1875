#pragma once
/// The `[evaluate]` section of a configuration: how samples are judged.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// Distances compare only at equal resolution and equal numbers of samples.
struct EvaluateConfig {
  static constexpr std::string_view section = "evaluate";
  static constexpr std::array<std::string_view, 1> no_effect = {"batch"};

  std::string feature_weights;  ///< weights of the feature network; empty: its Python package
  std::int64_t resolution = 64; ///< images are resized to this side before the network sees them
  std::int64_t neighbours = 3;  ///< k of precision and recall
  double copy_percentile = 1.0; ///< of the distances of test images to the training set
  std::int64_t batch = 64;      ///< images per forward pass
};

} // namespace d2c

D2C_CONFIG(d2c::EvaluateConfig, feature_weights, resolution, neighbours, copy_percentile, batch)
