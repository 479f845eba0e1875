#pragma once
/// Sinusoidal features of the diffusion time.

#include <cmath>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// t [B] -> [cos(t f) | sin(t f)], [B, 256] float32 with f_i = exp(-ln(10000) i / 128). Angles are
/// products in float32 whatever the network's type, as in DiT's reference: at t = 999 they carry an
/// error of 3e-5, which published weights have learned with.
inline Tensor timestep_features(const Tensor& t) {
  const auto steps = at::arange(128, at::kFloat);
  const auto frequencies = at::exp(-std::log(10000.0) * steps / 128).to(t.device());
  const auto angles = t.to(at::kFloat).unsqueeze(1) * frequencies;
  return at::cat({angles.cos(), angles.sin()}, 1);
}

} // namespace d2c
