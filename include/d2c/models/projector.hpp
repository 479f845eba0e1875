#pragma once
/// REPA's projector: three linear layers with SiLU, from tokens to the encoder's width.

#include <array>
#include <memory>

#include <d2c/core/compiled_once.hpp>
#include <d2c/models/block_parameters.hpp>
#include <d2c/models/fused_projector.hpp>
#include <d2c/ops/linear.hpp>
#include <d2c/tensor/buffer_pool.hpp>

namespace d2c {

/// Parameters of the projector (Yu et al. 2025; `projectors.0.{0,2,4}`).
struct Projector {
  Linear first;
  Linear second;
  Linear third;
  BlockPath path = BlockPath::operators; ///< never `automatic`
  std::shared_ptr<BufferPool> pool;      ///< of the fused path

  [[nodiscard]] std::array<const Linear*, 3> layers() const { return {&first, &second, &third}; }
};

/// The projector in the autograd graph: tokens [B, N, D] -> [B, N, align width].
struct ProjectorFunction : torch::autograd::Function<ProjectorFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Projector* layer) {
    const auto rows = x.reshape({-1, x.size(-1)});
    if (layer->path == BlockPath::fused) {
      Tensor hidden1;
      Tensor hidden2;
      const auto y = fused_projector_forward(layer->layers(), rows, hidden1, hidden2, *layer->pool);
      context->save_for_backward({rows, hidden1, hidden2});
      context->saved_data["layer"] = reinterpret_cast<std::int64_t>(layer);
      return y.view({x.size(0), x.size(1), -1});
    }
    const auto hidden1 = linear(layer->first, rows);
    const auto hidden2 = linear(layer->second, at::silu(hidden1));
    context->save_for_backward({rows, hidden1, hidden2});
    context->saved_data["layer"] = reinterpret_cast<std::int64_t>(layer);
    return linear(layer->third, at::silu(hidden2)).view({x.size(0), x.size(1), -1});
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto* layer = reinterpret_cast<const Projector*>(context->saved_data["layer"].toInt());
    const auto s = context->get_saved_variables();
    const auto& dy = gradients[0];
    const auto d3 = dy.reshape({-1, dy.size(-1)});
    if (layer->path == BlockPath::fused) {
      const auto dx = fused_projector_backward(layer->layers(), d3.contiguous(), s[0], s[1], s[2],
                                               *layer->pool);
      return {dx.view({dy.size(0), dy.size(1), -1}), Tensor()};
    }
    linear_backward_parameters(layer->third, at::silu(s[2]), d3);
    const auto d2 = at::silu_backward(linear_backward_input(layer->third, d3), s[2]);
    linear_backward_parameters(layer->second, at::silu(s[1]), d2);
    const auto d1 = at::silu_backward(linear_backward_input(layer->second, d2), s[1]);
    linear_backward_parameters(layer->first, s[0], d1);
    return {linear_backward_input(layer->first, d1).view({dy.size(0), dy.size(1), -1}), Tensor()};
  }
};

template <class = Once>
Tensor apply_projector(const Projector& layer, const Tensor& x) {
  return ProjectorFunction::apply(x, &layer);
}
D2C_COMPILED_ONCE(Tensor apply_projector<>(const Projector&, const Tensor&))

} // namespace d2c
