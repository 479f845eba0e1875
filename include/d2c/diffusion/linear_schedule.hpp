#pragma once
/// The linear DDPM schedule, as a part of DdpmMatching. Torch-free; a program that instantiates it
/// with tensors includes diffusion/noise_prediction_tensors.hpp.

#include <string_view>

#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_weights.hpp>

namespace d2c {

/// beta from 1e-4 to 2e-2 over 1000 steps (Ho et al. 2020; DiT).
struct LinearSchedule {
  static constexpr std::string_view name = "LinearSchedule";
  static constexpr PathKind kind = PathKind::ddpm_linear;

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
