#pragma once
/// Density and coverage as a type. The body is evaluate/manifold_density.hpp.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/policy.hpp>

namespace d2c {

/// How densely samples lie among real images, and which share of those has a sample near (Naeem et
/// al. 2020). Evaluator policy of role metric.
template <FeatureNetwork Features>
struct DensityCoverage {
  using role = roles::metric;
  using features = Features;
  static constexpr FeatureParts parts{.neighbours = true};
  static constexpr ReadSets reads{.training = false};
  static constexpr auto text = "DensityCoverage<" + Features::text + ">";
  static constexpr std::string_view name = text;
};

} // namespace d2c
