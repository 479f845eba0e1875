#pragma once
/// The kernel distance on Inception-v3 as a type. Its body is evaluate/kernel_distance.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/encoders/inception_v3.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/policy.hpp>

namespace d2c {

/// KID (Binkowski et al. 2018) over random subsets, the subsets being those of torch-fidelity.
/// Evaluator policy of role metric.
struct KID {
  using role = roles::metric;
  using features = InceptionV3<>;
  static constexpr FeatureParts parts{.neighbours = true};
  static constexpr ReadSets reads{.training = false};
  static constexpr std::string_view name = "KID";
};

} // namespace d2c
