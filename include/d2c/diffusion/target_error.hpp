#pragma once
/// What a network's answer lacks to its target.

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// Prediction minus velocity, noise or data; for the score sigma times the prediction plus the
/// noise, which is the error of the noise it implies (SiT). `T` is a tensor type, images are
/// [B, C, H, W], `at` is PathWeights<T>.
template <class T, class Weights>
[[nodiscard]] T target_error(TargetKind target, const Weights& at, const T& prediction, const T& x0,
                             const T& noise) {
  switch (target) {
  case TargetKind::velocity:
    return prediction - (at.d_alpha * x0 + at.d_sigma * noise);
  case TargetKind::noise:
    break;
  case TargetKind::data:
    return prediction - x0;
  case TargetKind::score:
    return prediction * at.sigma + noise;
  }
  return prediction - noise;
}

} // namespace d2c
