#pragma once
/// The variance-preserving path, as a part of PathMatching. Torch-free.

#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_weights.hpp>

namespace d2c {

/// Song et al. 2021 with beta from 0.1 to 20: log alpha = -19.9 t^2 / 4 - 0.05 t and
/// sigma = sqrt(1 - alpha^2) (SiT's "VP"). d_sigma is infinite at t = 0.
struct VpPath {
  static constexpr std::string_view name = "VpPath";
  static constexpr PathKind kind = PathKind::vp;

  /// At times t in [0, 1], [B, 1, 1, 1].
  template <class T>
  [[nodiscard]] static PathWeights<T> at(const T& t) {
    constexpr double least = 0.1;
    constexpr double most = 20;
    const T log_alpha = t * t * (-0.25 * (most - least)) - t * (0.5 * least);
    const T slope = t * (-0.5 * (most - least)) - 0.5 * least;
    const T alpha = log_alpha.exp();
    const T sigma = (log_alpha * 2).expm1().neg().sqrt();
    return {alpha, sigma, alpha * slope, -alpha * alpha * slope / sigma};
  }
};

} // namespace d2c
