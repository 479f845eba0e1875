#pragma once
/// The Frechet distance as a type. Its body is evaluate/frechet_distance.hpp.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/policy.hpp>

namespace d2c {

/// Distance between Gaussians fitted to the features of samples and of held-out real images.
/// Evaluator policy of role metric.
template <FeatureNetwork Features>
struct FrechetDistance {
  using role = roles::metric;
  using features = Features;
  static constexpr FeatureParts parts{.moments = true};
  static constexpr auto text = "FrechetDistance<" + Features::text + ">";
  static constexpr std::string_view name = text;
};

} // namespace d2c
