#pragma once
/// What every DDPM schedule gives as a part of DdpmMatching. Torch-free; a program that
/// instantiates it with tensors includes diffusion/noise_prediction_tensors.hpp.

#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_weights.hpp>

namespace d2c {

/// The weights of the schedule `Kind` at its 1000 indices.
template <PathKind Kind>
struct DdpmWeights {
  static constexpr PathKind kind = Kind;

  /// At indices t = 0 .. 999, any shape of B elements: [B, 1, 1, 1]. Derivatives as in path_point.
  template <class T>
  [[nodiscard]] static PathWeights<T> at(const T& t) {
    const DdpmSchedule& schedule = DdpmSchedule::full(kind);
    const T index = t.reshape({-1});
    const T alpha = table_at(schedule.sqrt_alpha_bar, index);
    const T sigma = table_at(schedule.sqrt_one_minus_alpha_bar, index);
    return {alpha, sigma, sigma.neg(), alpha};
  }
};

} // namespace d2c
