#pragma once
/// The search for copies of training images as a type. Its body is evaluate/near_copies.hpp.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/policy.hpp>

namespace d2c {

/// Nearest training neighbour of every sample, and the share nearer than held-out real images come.
/// Evaluator policy of role metric.
template <FeatureNetwork Features>
struct CopyAudit {
  using role = roles::metric;
  using features = Features;
  static constexpr FeatureParts parts{.neighbours = true};
  static constexpr auto text = "CopyAudit<" + Features::text + ">";
  static constexpr std::string_view name = text;
};

} // namespace d2c
