#pragma once
/// Min-SNR weighting of the loss: a part of PathMatching and DdpmMatching. Torch-free.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// Hang et al. 2023 with SNR = alpha^2 / sigma^2: min(SNR, gamma) for data, min(SNR, gamma) / SNR
/// for noise (and score), min(SNR, gamma) / (SNR + 1) for the velocity of a DDPM schedule; on other
/// paths the velocity's weight is that of the noise it implies, min(alpha^2, gamma sigma^2) / D^2
/// with D the determinant of PathPoint. The paper's gamma is 5. Finite at both ends.
template <int Gamma = 5>
struct MinSnr {
  static_assert(Gamma > 0, "Min-SNR needs a positive bound");
  static constexpr auto text = "MinSnr<" + decimal<Gamma>() + ">";
  static constexpr std::string_view name = text;

  [[nodiscard]] static constexpr bool fits(TargetKind) { return true; }

  /// Factor of the squared error, [B, 1, 1, 1]; `at` is PathWeights of tensors.
  template <class Weights>
  [[nodiscard]] static auto weight(TargetKind target, const Weights& at) {
    const auto data = at.alpha * at.alpha;
    const auto noise = at.sigma * at.sigma;
    switch (target) {
    case TargetKind::velocity: {
      const auto determinant = at.determinant();
      return data.minimum(noise * Gamma) / (determinant * determinant);
    }
    case TargetKind::data:
      return (data / noise).clamp_max(Gamma);
    case TargetKind::noise:
    case TargetKind::score:
      break;
    }
    return (noise * Gamma / data).clamp_max(1);
  }
};

} // namespace d2c
