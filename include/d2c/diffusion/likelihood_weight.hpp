#pragma once
/// SiT's "likelihood" weighting of the loss: a part of PathMatching and DdpmMatching. Torch-free.

#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// w / sigma^2 for noise and score, with w = sigma D / alpha the diffusion whose likelihood the
/// loss then bounds (Song et al. 2021b; Ma et al. 2024): D / (alpha sigma). For data that weight of
/// the noise it implies: D alpha / sigma^3.
struct LikelihoodWeight {
  static constexpr std::string_view name = "LikelihoodWeight";

  [[nodiscard]] static constexpr bool fits(TargetKind target) {
    return target != TargetKind::velocity;
  }

  /// Factor of the squared error; `at` is PathWeights or PathPoint.
  template <class Weights>
  [[nodiscard]] static auto weight(TargetKind target, const Weights& at) {
    const auto of_noise = at.determinant() / (at.alpha * at.sigma);
    const auto ratio = at.alpha / at.sigma;
    return target == TargetKind::data ? of_noise * ratio * ratio : of_noise;
  }
};

} // namespace d2c
