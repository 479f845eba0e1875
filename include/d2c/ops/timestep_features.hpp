#pragma once
/// Sinusoidal features of the diffusion time.

#include <array>
#include <cmath>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// t [B] -> [cos(t f) | sin(t f)], [B, 256], in the dtype of t. Frequencies are
/// f_i = exp(-ln(10000) i / 128), rounded to float32 as DiT's reference does.
inline Tensor timestep_features(const Tensor& t) {
  static const std::array<float, 128> frequencies = [] {
    std::array<float, 128> table{};
    const float rate = -static_cast<float>(std::log(10000.0));
    for (std::size_t i = 0; i < table.size(); ++i) {
      table[i] = std::exp(rate * static_cast<float>(i) / 128.0f);
    }
    return table;
  }();
  const auto f =
      at::from_blob(const_cast<float*>(frequencies.data()), {1, 128}, at::kFloat).to(t.options());
  const auto angles = t.unsqueeze(1) * f;
  return at::cat({angles.cos(), angles.sin()}, 1);
}

} // namespace d2c
