#pragma once
/// Precision and recall as a type. Its body is evaluate/manifold_overlap.hpp.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/policy.hpp>

namespace d2c {

/// Share of samples near real images, and of real images near samples (Kynkaanniemi et al. 2019).
/// Evaluator policy of role metric.
template <FeatureNetwork Features>
struct PrecisionRecall {
  using role = roles::metric;
  using features = Features;
  static constexpr FeatureParts parts{.neighbours = true};
  static constexpr ReadSets reads{.training = false};
  static constexpr auto text = "PrecisionRecall<" + Features::text + ">";
  static constexpr std::string_view name = text;
};

} // namespace d2c
