#pragma once
/// Noise prediction with a learned-range variance: the objective of DiT. Torch-free templates; a
/// program that instantiates them with tensors includes diffusion/noise_prediction_tensors.hpp.

#include <cmath>
#include <numbers>
#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/parametrisation.hpp>
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
    return error + variational_bound(out.prediction.detach(), out.variance, x0, x_t, t);
  }

  /// Per-sample mean of (eps - eps_hat)^2 over C, H, W: [B], the loss inside Eq. 7 and line 8 of
  /// Algorithm 2.
  template <class Out, class T>
  [[nodiscard]] static T noise_error(const Out& out, const T& /*x0*/, const T& noise,
                                     const T& /*x_t*/, const T& /*t*/) {
    return (noise - out.prediction).square().flatten(1).mean(1);
  }

  /// One term of the variational bound in bits per element, [B]: the divergence of the model's
  /// reverse step from the posterior for t > 0, at t = 0 the negative log likelihood of data
  /// discretised to bins of width 2/255 (applied to latents as well, as DiT does). The model's log
  /// variance is v' log beta + (1 - v') log posterior variance with v' = (v + 1) / 2, unclamped
  /// (Eq. 16).
  template <class T>
  [[nodiscard]] static T variational_bound(const T& noise_hat, const T& variance, const T& x0,
                                           const T& x_t, const T& t) {
    const DdpmSchedule& schedule = DdpmSchedule::full();
    const T least = table_at(schedule.posterior_log_variance_clipped, t);
    const T share = (variance + 1) * 0.5;
    const T log_variance = share * table_at(schedule.log_beta, t) + (1 - share) * least;

    const T x0_hat = table_at(schedule.sqrt_reciprocal_alpha_bar, t) * x_t -
                     table_at(schedule.sqrt_reciprocal_alpha_bar_less, t) * noise_hat;
    const T data_weight = table_at(schedule.posterior_data_weight, t);
    const T from_state = table_at(schedule.posterior_state_weight, t) * x_t;
    const T mean = data_weight * x0_hat + from_state;
    const T true_mean = data_weight * x0 + from_state;

    const T divergence = 0.5 * (log_variance - least - 1 + (least - log_variance).exp() +
                                (true_mean - mean).square() * log_variance.neg().exp());
    const T surprise = discretised_log_likelihood(x0, mean, log_variance * 0.5).neg();
    constexpr double bits = 1 / std::numbers::ln2;
    return (surprise.flatten(1).mean(1) * bits)
        .where(t.eq(0), divergence.flatten(1).mean(1) * bits);
  }

private:
  template <class T>
  [[nodiscard]] static T normal_cdf(const T& x) {
    static const double slope = std::sqrt(2 / std::numbers::pi);
    return ((x + 0.044715 * x.pow(3)) * slope).tanh().add(1).mul(0.5);
  }

  template <class T>
  [[nodiscard]] static T discretised_log_likelihood(const T& x, const T& mean,
                                                    const T& log_deviation) {
    constexpr double half_bin = 1.0 / 255;
    constexpr double least = 1e-12;
    const T centred = x - mean;
    const T inverse = log_deviation.neg().exp();
    const T below = normal_cdf(T(inverse * (centred + half_bin)));
    const T under = normal_cdf(T(inverse * (centred - half_bin)));
    const T inside = (below - under).clamp_min(least).log();
    const T top = (1 - under).clamp_min(least).log();
    const T bottom = below.clamp_min(least).log();
    return bottom.where(x.lt(-0.999), top.where(x.gt(0.999), inside));
  }
};

} // namespace d2c
