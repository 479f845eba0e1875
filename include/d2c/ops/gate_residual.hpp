#pragma once
/// The gated residual of adaLN-Zero, with its backward.

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// x + gate * branch; x and branch [B, N, D], gate [B, D].
inline Tensor gate_residual(const Tensor& x, const Tensor& gate, const Tensor& branch) {
  return at::addcmul(x, branch, gate.unsqueeze(1));
}

/// Gradients of gate_residual; that of x is dy itself.
struct GateResidualGradients {
  Tensor branch; ///< [B, N, D]
  Tensor gate;   ///< [B, D]
};

inline GateResidualGradients gate_residual_backward(const Tensor& dy, const Tensor& gate,
                                                    const Tensor& branch) {
  return {dy * gate.unsqueeze(1), (dy * branch).sum(1)};
}

} // namespace d2c
