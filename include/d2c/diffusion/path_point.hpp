#pragma once
/// The weights of data and noise at one time of a path, in double precision. Torch-free.

#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// x_t = alpha x_0 + sigma eps and the velocity d_alpha x_0 + d_sigma eps.
struct PathPoint {
  double alpha = 1;
  double sigma = 0;
  double d_alpha = 0;
  double d_sigma = 0;

  /// alpha d_sigma - sigma d_alpha, by which (x_t, velocity) is solved for (x_0, eps): 1 on the
  /// linear path, pi / 2 on the GVP path, 1 on a DDPM schedule.
  [[nodiscard]] constexpr double determinant() const { return alpha * d_sigma - sigma * d_alpha; }
};

/// The path at t (Ma et al. 2024, section 2 and appendix; beta of the VP path from 0.1 to 20). On
/// continuous paths t is in [0, 1] and the derivatives are those by t; on the VP path d_sigma is
/// infinite at t = 0. On a DDPM schedule t is an index 0 .. 999 and the derivatives are those by
/// the angle arctan(sigma / alpha), which makes the velocity alpha eps - sigma x_0 (Salimans & Ho
/// 2022). InputError for an index that the schedule does not have.
[[nodiscard]] inline PathPoint path_point(PathKind path, double t) {
  constexpr double quarter_turn = std::numbers::pi / 2;
  switch (path) {
  case PathKind::linear:
    break;
  case PathKind::gvp: {
    const double alpha = std::cos(quarter_turn * t);
    const double sigma = std::sin(quarter_turn * t);
    return {alpha, sigma, -quarter_turn * sigma, quarter_turn * alpha};
  }
  case PathKind::vp: {
    constexpr double least = 0.1;
    constexpr double most = 20;
    const double log_alpha = -0.25 * t * t * (most - least) - 0.5 * t * least;
    const double slope = -0.5 * t * (most - least) - 0.5 * least;
    const double alpha = std::exp(log_alpha);
    const double sigma = std::sqrt(-std::expm1(2 * log_alpha));
    return {alpha, sigma, alpha * slope, -alpha * alpha * slope / sigma};
  }
  case PathKind::ddpm_linear:
  case PathKind::ddpm_cosine: {
    const DdpmSchedule& schedule = DdpmSchedule::full(path);
    if (!(t >= 0 && t <= DdpmSchedule::training_steps - 1)) {
      throw InputError("a DDPM schedule has the times 0 to " +
                       std::to_string(DdpmSchedule::training_steps - 1) + ", found " +
                       std::to_string(t));
    }
    const auto index = static_cast<std::size_t>(std::lround(t));
    const double alpha = schedule.sqrt_alpha_bar[index];
    const double sigma = schedule.sqrt_one_minus_alpha_bar[index];
    return {alpha, sigma, -sigma, alpha};
  }
  }
  return {1 - t, t, -1, 1};
}

} // namespace d2c
