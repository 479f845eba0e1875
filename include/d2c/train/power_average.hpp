#pragma once
/// Weight averages with a power-function profile, and how an average of any length is put together
/// afterwards from stored ones (Karras et al. 2024, "Analyzing and Improving the Training Dynamics
/// of Diffusion Models", section 3 and appendix C). Torch-free.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>

namespace d2c {

/// The average after `step` updates in which the weights of update s count in proportion to
/// s^gamma.
struct PowerProfile {
  double gamma = 0;
  double step = 1;
};

/// Width of the profile with exponent gamma >= 0: its standard deviation over the length of the
/// training, sqrt((gamma + 1) / ((gamma + 2)^2 (gamma + 3))). At most 12^-1/2 (gamma 0, the plain
/// mean).
inline double sigma_rel_of_gamma(double gamma) {
  return std::sqrt((gamma + 1) / ((gamma + 2) * (gamma + 2) * (gamma + 3)));
}

/// The exponent gamma >= 0 of the profile with this width. Throws InputError unless 0 < sigma_rel
/// <= 12^-1/2.
inline double gamma_of_sigma_rel(double sigma_rel) {
  if (!(sigma_rel > 0) || sigma_rel * sigma_rel > 1.0 / 12 + 1e-15) {
    throw InputError("weight average: expected a width sigma_rel above 0 and at most 0.288 of the "
                     "training, found " +
                     std::to_string(sigma_rel));
  }
  // The width falls as gamma grows, and stays below 1 / (gamma + 2).
  double low = 0;
  double high = 1 / sigma_rel;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (sigma_rel_of_gamma(middle) > sigma_rel ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

/// Inner product of two profiles as functions of training time; both are 0 after their step.
inline double profile_product(const PowerProfile& a, const PowerProfile& b) {
  const PowerProfile& shorter = a.step <= b.step ? a : b;
  const PowerProfile& longer = a.step <= b.step ? b : a;
  return (a.gamma + 1) * (b.gamma + 1) * std::pow(shorter.step / longer.step, longer.gamma) /
         ((a.gamma + b.gamma + 1) * longer.step);
}

/// Weights of stored averages whose sum comes closest to the average `target`, in the sense of the
/// profiles' least squares (Karras et al. 2024, algorithm 3). One weight per entry of `stored`.
/// Throws InputError where `stored` is empty or holds the same profile twice.
template <class = Once>
std::vector<double> post_hoc_weights(std::span<const PowerProfile> stored,
                                     const PowerProfile& target) {
  const std::size_t n = stored.size();
  if (n == 0) {
    throw InputError("weight average: expected at least one stored average, found none");
  }
  // Gauss with row pivots; the profiles' products are close to singular, hence long double.
  std::vector<std::vector<long double>> rows(n, std::vector<long double>(n + 1));
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      rows[i][j] = profile_product(stored[i], stored[j]);
    }
    rows[i][n] = profile_product(stored[i], target);
    // Scaled to a unit diagonal by its own length.
    const long double length = std::sqrt(static_cast<long double>(rows[i][i]));
    for (std::size_t j = 0; j <= n; ++j) {
      rows[i][j] /= length;
    }
  }
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k + 1; i < n; ++i) {
      pivot = std::fabs(rows[i][k]) > std::fabs(rows[pivot][k]) ? i : pivot;
    }
    if (!(std::fabs(rows[pivot][k]) > 0)) {
      throw InputError("weight average: expected stored averages of different profiles, found one "
                       "twice");
    }
    std::swap(rows[k], rows[pivot]);
    for (std::size_t i = k + 1; i < n; ++i) {
      const long double factor = rows[i][k] / rows[k][k];
      for (std::size_t j = k; j <= n; ++j) {
        rows[i][j] -= factor * rows[k][j];
      }
    }
  }
  std::vector<double> weights(n);
  for (std::size_t k = n; k-- > 0;) {
    long double sum = rows[k][n];
    for (std::size_t j = k + 1; j < n; ++j) {
      sum -= rows[k][j] * weights[j];
    }
    weights[k] = static_cast<double>(sum / rows[k][k]);
  }
  return weights;
}
D2C_COMPILED_ONCE(std::vector<double> post_hoc_weights<>(std::span<const PowerProfile>,
                                                         const PowerProfile&))

} // namespace d2c
