#pragma once
/// SiT's "velocity" weighting of the loss: a part of PathMatching and DdpmMatching. Torch-free.

#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// Makes the loss of predicted noise, score or data that of the velocity they imply (Ma et al.
/// 2024, section 2.2): (D / alpha)^2 for noise and score, (D / sigma)^2 for data, D the determinant
/// of PathPoint. SiT's code writes (w / sigma)^2 with the same value.
struct VelocityWeight {
  static constexpr std::string_view name = "VelocityWeight";

  [[nodiscard]] static constexpr bool fits(TargetKind target) {
    return target != TargetKind::velocity;
  }

  /// Factor of the squared error; `at` is PathWeights or PathPoint.
  template <class Weights>
  [[nodiscard]] static auto weight(TargetKind target, const Weights& at) {
    const auto ratio = at.determinant() / (target == TargetKind::data ? at.sigma : at.alpha);
    return ratio * ratio;
  }
};

} // namespace d2c
