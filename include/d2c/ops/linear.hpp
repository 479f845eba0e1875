#pragma once
/// The affine map of networks, written over a parameter's value and gradient views. Every matrix
/// product of a network's weights goes through here.

#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// weight [out, in], bias [out] and the views their gradients are added to.
struct Linear {
  Tensor weight;
  Tensor bias;
  Tensor weight_gradient;
  Tensor bias_gradient;
};

/// Binds `name`.weight and `name`.bias; a weight of more dimensions is seen as [first, rest].
inline Linear bind_linear(const ParameterTable& table, const std::string& name) {
  const auto& weight = table.value(name + ".weight");
  const auto rows = weight.size(0);
  return {weight.view({rows, -1}), table.value(name + ".bias"),
          table.gradient(name + ".weight").view({rows, -1}), table.gradient(name + ".bias")};
}

/// x [n, in] -> x W^T + b, [n, out].
inline Tensor linear(const Linear& layer, const Tensor& x) {
  return at::addmm(layer.bias, x, layer.weight.t());
}

/// Adds the gradients of weight and bias for x [n, in] and dy [n, out].
inline void linear_backward_parameters(const Linear& layer, const Tensor& x, const Tensor& dy) {
  layer.weight_gradient.addmm_(dy.t(), x);
  layer.bias_gradient.add_(dy.sum(0));
}

/// dy [n, out] -> gradient of the input, [n, in].
inline Tensor linear_backward_input(const Linear& layer, const Tensor& dy) {
  return at::mm(dy, layer.weight);
}

} // namespace d2c
