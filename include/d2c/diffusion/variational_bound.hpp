#pragma once
/// What trains a learned variance: one term of the variational bound. Torch-free templates.

#include <cmath>
#include <numbers>

#include <d2c/diffusion/ddpm_schedule.hpp>

namespace d2c {

namespace detail {

template <class T>
[[nodiscard]] T normal_cdf(const T& x) {
  static const double slope = std::sqrt(2 / std::numbers::pi);
  return ((x + 0.044715 * x.pow(3)) * slope).tanh().add(1).mul(0.5);
}

template <class T>
[[nodiscard]] T discretised_log_likelihood(const T& x, const T& mean, const T& log_deviation) {
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

} // namespace detail

/// In bits per element, [B]: the divergence of the model's reverse step from the posterior for
/// t > 0, at t = 0 the negative log likelihood of data discretised to bins of width 2/255 (applied
/// to latents as well, as DiT does). The model's log variance is v' log beta + (1 - v') log
/// posterior variance with v' = (v + 1) / 2, unclamped (Nichol & Dhariwal 2021, eq. 15). `T` is a
/// tensor type, images are [B, C, H, W], t [B] are indices of the schedule.
template <class T>
[[nodiscard]] T variational_bound(const DdpmSchedule& schedule, const T& noise_hat,
                                  const T& variance, const T& x0, const T& x_t, const T& t) {
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
  const T surprise = detail::discretised_log_likelihood<T>(x0, mean, T(log_variance * 0.5)).neg();
  constexpr double bits = 1 / std::numbers::ln2;
  return (surprise.flatten(1).mean(1) * bits).where(t.eq(0), divergence.flatten(1).mean(1) * bits);
}

} // namespace d2c
