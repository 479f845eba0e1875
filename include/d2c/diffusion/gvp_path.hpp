#pragma once
/// The generalised variance-preserving path, as a part of PathMatching. Torch-free.

#include <numbers>
#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_weights.hpp>

namespace d2c {

/// x_t = cos(pi t / 2) x_0 + sin(pi t / 2) eps (SiT's "GVP", REPA's "cosine").
struct GvpPath {
  static constexpr std::string_view name = "GvpPath";
  static constexpr PathKind kind = PathKind::gvp;

  /// At times t in [0, 1], [B, 1, 1, 1].
  template <class T>
  [[nodiscard]] static PathWeights<T> at(const T& t) {
    constexpr double quarter_turn = std::numbers::pi / 2;
    const T alpha = (t * quarter_turn).cos();
    const T sigma = (t * quarter_turn).sin();
    return {alpha, sigma, sigma * -quarter_turn, alpha * quarter_turn};
  }
};

} // namespace d2c
