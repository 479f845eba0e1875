#pragma once
/// Noise prediction with a learned-range variance: the objective of DiT. Torch-free templates; a
/// program that instantiates them with tensors includes diffusion/noise_prediction_tensors.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/variational_bound.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// DDPM training as DiT does it: x_t = sqrt(abar_t) x_0 + sqrt(1 - abar_t) eps at integer t, loss
/// mean (eps - eps_hat)^2 plus, if the network has a variance head, the variational bound term that
/// trains the variance alone (Nichol & Dhariwal 2021). `T` is a tensor type; images are
/// [B, C, H, W], times (an index 0 .. 999 as float32) and losses [B].
struct NoisePrediction {
  using role = roles::objective;
  static constexpr std::string_view name = "NoisePrediction";
  static constexpr Family family = Family::dit;
  static constexpr Parametrisation parametrisation{PathKind::ddpm_linear, TargetKind::noise};
  static constexpr bool learns_variance = true;

  /// Network time of u in (0, 1): floor(1000 u), still floating point.
  template <class T>
  [[nodiscard]] static T time(const T& u) {
    constexpr int steps = DdpmSchedule::training_steps;
    return (u * steps).floor().clamp(0, steps - 1);
  }

  /// The noisy image x_t, [B, C, H, W]; t is a network time [B] (or [1]: the same for all).
  template <class T>
  [[nodiscard]] static T diffuse(const T& x0, const T& noise, const T& t) {
    const DdpmSchedule& schedule = DdpmSchedule::full();
    return table_at(schedule.sqrt_alpha_bar, t) * x0 +
           table_at(schedule.sqrt_one_minus_alpha_bar, t) * noise;
  }

  /// Per-sample training loss [B]. `out.prediction` is eps_hat, `out.variance` the raw variance
  /// head v or an undefined tensor (then the plain noise error is the loss).
  template <class Out, class T>
  [[nodiscard]] static T loss(const Out& out, const T& x0, const T& noise, const T& x_t,
                              const T& t) {
    const T error = noise_error(out, x0, noise, x_t, t);
    if (!out.variance.defined()) {
      return error;
    }
    return error + variational_bound<T>(DdpmSchedule::full(), out.prediction.detach(), out.variance,
                                        x0, x_t, t);
  }

  /// Per-sample mean of (eps - eps_hat)^2 over C, H, W: [B], the loss inside Eq. 7 and line 8 of
  /// Algorithm 2.
  template <class Out, class T>
  [[nodiscard]] static T noise_error(const Out& out, const T& /*x0*/, const T& noise,
                                     const T& /*x_t*/, const T& /*t*/) {
    return (noise - out.prediction).square().flatten(1).mean(1);
  }
};

} // namespace d2c
