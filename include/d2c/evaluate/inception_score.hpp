#pragma once
/// The Inception score as types. The bodies are evaluate/class_score.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/encoders/inception_v3.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/policy.hpp>

namespace d2c {

/// Inception score (Salimans et al. 2016) over consecutive parts of 5000 samples, as ADM's
/// evaluator. Evaluator policy of role metric, as is the other.
struct InceptionScore {
  using role = roles::metric;
  using features = InceptionV3<>;
  static constexpr FeatureParts parts{.logits = true};
  static constexpr ReadSets reads{.held_out = false, .training = false};
  static constexpr std::string_view name = "InceptionScore";
};

/// The same over ten parts of the shuffled samples, as torch-fidelity.
struct ShuffledInceptionScore {
  using role = roles::metric;
  using features = InceptionV3<>;
  static constexpr FeatureParts parts{.logits = true};
  static constexpr ReadSets reads{.held_out = false, .training = false};
  static constexpr std::string_view name = "ShuffledInceptionScore";
};

} // namespace d2c
