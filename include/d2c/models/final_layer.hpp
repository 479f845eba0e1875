#pragma once
/// The output layer: modulated layer norm, one matrix product, patches back to an image.

#include <d2c/core/compiled_once.hpp>
#include <d2c/ops/layer_norm_modulate.hpp>
#include <d2c/ops/linear.hpp>
#include <d2c/ops/patches.hpp>

namespace d2c {

/// Parameters of the output layer and the image it writes.
struct FinalLayer {
  Linear projection; ///< [p * p * out channels, D]
  std::int64_t patch = 0;
  std::int64_t channels = 0; ///< output channels, the variance included
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// The output layer in the autograd graph: tokens [B, N, D], modulation [B, 2 D] in the order
/// shift, scale -> image [B, out channels, H, W].
struct FinalLayerFunction : torch::autograd::Function<FinalLayerFunction> {
  static Tensor project(const FinalLayer& layer, const Tensor& input) {
    return unpatchify(linear(layer.projection, input.view({-1, input.size(-1)})),
                      {input.size(0), layer.channels, layer.height, layer.width}, layer.patch);
  }

  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& modulation, const FinalLayer* layer) {
    const auto m = modulation.chunk(2, 1);
    const auto normal = layer_norm_modulate(x, m[0], m[1]);
    context->save_for_backward({x, m[1], normal.output, normal.mean, normal.rstd});
    context->saved_data["layer"] = reinterpret_cast<std::int64_t>(layer);
    return project(*layer, normal.output);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto* layer = reinterpret_cast<const FinalLayer*>(context->saved_data["layer"].toInt());
    const auto s = context->get_saved_variables();
    const auto dy = unpatchify_backward(gradients[0], layer->patch);
    linear_backward_parameters(layer->projection, s[2].view({-1, s[2].size(-1)}), dy);
    const auto dnormal = linear_backward_input(layer->projection, dy).view(s[0].sizes());
    const auto d = layer_norm_modulate_backward(dnormal, s[0], s[3], s[4], s[1]);
    return {d.x, at::cat({d.shift, d.scale}, 1), Tensor()};
  }
};

template <class = Once>
Tensor apply_final_layer(const FinalLayer& layer, const Tensor& x, const Tensor& modulation) {
  if (!at::GradMode::is_enabled()) {
    const auto m = modulation.chunk(2, 1);
    return FinalLayerFunction::project(layer, layer_norm_modulate(x, m[0], m[1]).output);
  }
  return FinalLayerFunction::apply(x, modulation, &layer);
}
D2C_COMPILED_ONCE(Tensor apply_final_layer<>(const FinalLayer&, const Tensor&, const Tensor&))

} // namespace d2c
