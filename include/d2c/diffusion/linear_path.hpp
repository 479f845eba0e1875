#pragma once
/// The straight path from data to noise, as a part of PathMatching. Torch-free.

#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_weights.hpp>

namespace d2c {

/// x_t = (1 - t) x_0 + t eps (flow matching, rectified flow; SiT's "Linear", REPA's "linear").
struct LinearPath {
  static constexpr std::string_view name = "LinearPath";
  static constexpr PathKind kind = PathKind::linear;

  /// At times t in [0, 1], [B, 1, 1, 1].
  template <class T>
  [[nodiscard]] static PathWeights<T> at(const T& t) {
    return {1 - t, t, t * 0 - 1, t * 0 + 1};
  }
};

} // namespace d2c
