#pragma once
/// Layer normalisation without affine parameters, followed by adaLN modulation, with its backward.

#include <tuple>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Epsilon of every layer norm of DiT and SiT.
inline constexpr double layer_norm_epsilon = 1e-6;

/// Result and what its backward needs.
struct LayerNormModulated {
  Tensor output; ///< [B, N, D]
  Tensor mean;   ///< [B, N, 1]
  Tensor rstd;   ///< [B, N, 1]
};

/// LN(x) * (1 + scale) + shift, adaLN of DiT. x [B, N, D], shift and scale [B, D].
inline LayerNormModulated layer_norm_modulate(const Tensor& x, const Tensor& shift,
                                              const Tensor& scale) {
  auto [normal, mean, rstd] =
      at::native_layer_norm(x, {x.size(-1)}, std::nullopt, std::nullopt, layer_norm_epsilon);
  auto output = at::addcmul(shift.unsqueeze(1), normal, scale.unsqueeze(1) + 1);
  return {std::move(output), std::move(mean), std::move(rstd)};
}

/// Gradients of layer_norm_modulate.
struct LayerNormModulateGradients {
  Tensor x;     ///< [B, N, D]
  Tensor shift; ///< [B, D]
  Tensor scale; ///< [B, D]
};

/// `mean` and `rstd` come from the forward pass; dy is [B, N, D].
inline LayerNormModulateGradients layer_norm_modulate_backward(const Tensor& dy, const Tensor& x,
                                                               const Tensor& mean,
                                                               const Tensor& rstd,
                                                               const Tensor& scale) {
  const auto normal = (x - mean) * rstd;
  auto dshift = dy.sum(1);
  auto dscale = (dy * normal).sum(1);
  const auto dnormal = dy * (scale.unsqueeze(1) + 1);
  const auto average = dnormal.mean(-1, true);
  const auto projection = (dnormal * normal).mean(-1, true);
  auto dx = (dnormal - average - normal * projection) * rstd;
  return {std::move(dx), std::move(dshift), std::move(dscale)};
}

} // namespace d2c
