#pragma once
/// From what a network predicts to velocity, noise, data or score of the same noisy image: linear
/// algebra of x = alpha x_0 + sigma eps and v = d_alpha x_0 + d_sigma eps. No network, no state.

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

// `T` is a tensor or double, `Weights` PathPoint or PathWeights of tensors, `x` the noisy image and
// `p` what the network predicts of it. Where a formula divides by alpha or sigma, it has no value
// at the end of the path where that is 0. What is predicted is returned as it is where it is asked
// for.

/// eps.
template <class T, class Weights>
[[nodiscard]] T to_noise(TargetKind target, const Weights& point, const T& p, const T& x) {
  switch (target) {
  case TargetKind::velocity:
    return (p * point.alpha - x * point.d_alpha) * (1 / point.determinant());
  case TargetKind::noise:
    break;
  case TargetKind::data:
    return (x - p * point.alpha) * (1 / point.sigma);
  case TargetKind::score:
    return p * -point.sigma;
  }
  return p;
}

/// x_0.
template <class T, class Weights>
[[nodiscard]] T to_data(TargetKind target, const Weights& point, const T& p, const T& x) {
  switch (target) {
  case TargetKind::velocity:
    return (x * point.d_sigma - p * point.sigma) * (1 / point.determinant());
  case TargetKind::noise:
    return (x - p * point.sigma) * (1 / point.alpha);
  case TargetKind::data:
    break;
  case TargetKind::score:
    return (x + p * (point.sigma * point.sigma)) * (1 / point.alpha);
  }
  return p;
}

/// The velocity.
template <class T, class Weights>
[[nodiscard]] T to_velocity(TargetKind target, const Weights& point, const T& p, const T& x) {
  switch (target) {
  case TargetKind::velocity:
    break;
  case TargetKind::noise:
    return (x * point.d_alpha + p * point.determinant()) * (1 / point.alpha);
  case TargetKind::data:
    return (x * point.d_sigma - p * point.determinant()) * (1 / point.sigma);
  case TargetKind::score:
    return (x * point.d_alpha - p * (point.sigma * point.determinant())) * (1 / point.alpha);
  }
  return p;
}

/// The score -eps / sigma.
template <class T, class Weights>
[[nodiscard]] T to_score(TargetKind target, const Weights& point, const T& p, const T& x) {
  return target == TargetKind::score ? p : to_noise(target, point, p, x) * (-1 / point.sigma);
}

} // namespace d2c
