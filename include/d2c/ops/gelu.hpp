#pragma once
/// GELU in its tanh approximation, the activation of every DiT MLP.

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), any shape.
inline Tensor gelu_tanh(const Tensor& x) {
  return at::gelu(x, "tanh");
}

/// dy times the derivative of gelu_tanh at x.
inline Tensor gelu_tanh_backward(const Tensor& dy, const Tensor& x) {
  return at::gelu_backward(dy, x, "tanh");
}

} // namespace d2c
