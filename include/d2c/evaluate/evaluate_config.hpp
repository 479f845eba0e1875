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

  std::string feature_weights;   ///< weights of the feature network; empty: its Python package
  std::string inception_weights; ///< file with the Inception weights of FID
  std::string dinov2_weights;    ///< file with the weights of DINOv2, for its class token
  std::string reference;         ///< archive to judge against; empty: the test split
  std::int64_t resolution = 64;  ///< side that images are resized to first; Inception has its own
  std::int64_t neighbours = 3;   ///< k of precision and recall
  std::int64_t density_neighbours = 5; ///< k of density and coverage
  std::int64_t kid_subsets = 100;
  std::int64_t kid_subset_size = 1000; ///< images of each set in one subset
  double copy_percentile = 1.0;        ///< of the distances of test images to the training set
  std::int64_t batch = 64;             ///< images per forward pass
};

} // namespace d2c

D2C_CONFIG(d2c::EvaluateConfig, feature_weights, inception_weights, dinov2_weights, reference,
           resolution, neighbours, density_neighbours, kid_subsets, kid_subset_size,
           copy_percentile, batch)
