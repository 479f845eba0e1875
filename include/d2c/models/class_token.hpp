#pragma once
/// The class token of REG: the vision encoder's summary of an image, noisy as the image is, as one
/// more token of the transformer. Its way in and its way out.

#include <cstdint>
#include <utility>

#include <d2c/ops/layer_norm_modulate.hpp>
#include <d2c/ops/linear.hpp>
#include <d2c/ops/patches.hpp>

namespace d2c {

/// Parameters of the way in: `cls_projectors2`, `wg_norm` and the first row of `pos_embed`.
struct ClassTokenEmbedding {
  Linear projection;
  Tensor scale; ///< [D], of the layer norm
  Tensor shift; ///< [D]
  Tensor scale_gradient;
  Tensor shift_gradient;
  Tensor position; ///< [1, 1, D]
};

/// The way in, in the autograd graph (Wu et al. 2025): patch tokens [B, N, D] and class token
/// [B, V] -> [B, N + 1, D], the class token first: its projection through an affine layer norm.
struct ClassTokenEmbeddingFunction : torch::autograd::Function<ClassTokenEmbeddingFunction> {
  struct Embedded {
    Tensor tokens;
    Tensor normal; ///< [B, D], before the affine part
    Tensor rstd;   ///< [B, 1]
  };

  static Embedded embed(const ClassTokenEmbedding& layer, const Tensor& tokens,
                        const Tensor& class_token) {
    const auto hidden = linear(layer.projection, class_token);
    auto [normal, mean, rstd] = at::native_layer_norm(hidden, {hidden.size(1)}, std::nullopt,
                                                      std::nullopt, layer_norm_epsilon);
    const auto first = at::addcmul(layer.shift, normal, layer.scale).unsqueeze(1) + layer.position;
    return {at::cat({first, tokens}, 1), std::move(normal), std::move(rstd)};
  }

  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& tokens,
                        const Tensor& class_token, const ClassTokenEmbedding* layer) {
    auto embedded = embed(*layer, tokens, class_token);
    context->save_for_backward({class_token, embedded.normal, embedded.rstd});
    context->saved_data["layer"] = reinterpret_cast<std::int64_t>(layer);
    return embedded.tokens;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto* layer =
        reinterpret_cast<const ClassTokenEmbedding*>(context->saved_data["layer"].toInt());
    const auto s = context->get_saved_variables();
    const auto& dy = gradients[0];
    const auto dfirst = dy.select(1, 0);
    layer->scale_gradient.add_((dfirst * s[1]).sum(0));
    layer->shift_gradient.add_(dfirst.sum(0));
    const auto dnormal = dfirst * layer->scale;
    const auto dhidden =
        (dnormal - dnormal.mean(-1, true) - s[1] * (dnormal * s[1]).mean(-1, true)) * s[2];
    linear_backward_parameters(layer->projection, s[0], dhidden);
    Tensor dclass;
    if (context->needs_input_grad(1)) {
      dclass = linear_backward_input(layer->projection, dhidden);
    }
    return {dy.narrow(1, 1, dy.size(1) - 1).contiguous(), dclass, Tensor()};
  }
};

inline Tensor apply_class_token_embedding(const ClassTokenEmbedding& layer, const Tensor& tokens,
                                          const Tensor& class_token) {
  if (!at::GradMode::is_enabled()) {
    return ClassTokenEmbeddingFunction::embed(layer, tokens, class_token).tokens;
  }
  return ClassTokenEmbeddingFunction::apply(tokens, class_token, &layer);
}

/// The output layer of a network with a class token.
struct EntangledFinalLayer {
  Linear patches;     ///< [p * p * out channels, D]
  Linear class_token; ///< [V, D]
  std::int64_t patch = 0;
  std::int64_t channels = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// The output layer in the autograd graph: tokens [B, N + 1, D], modulation [B, 2 D] in the order
/// shift, scale -> image [B, out channels, H, W] and class token [B, V]; both share the modulated
/// layer norm.
struct EntangledFinalLayerFunction : torch::autograd::Function<EntangledFinalLayerFunction> {
  static torch::autograd::variable_list project(const EntangledFinalLayer& layer,
                                                const Tensor& normal) {
    const auto patches = normal.narrow(1, 1, normal.size(1) - 1);
    return {unpatchify(linear(layer.patches, patches.reshape({-1, normal.size(2)})),
                       {normal.size(0), layer.channels, layer.height, layer.width}, layer.patch),
            linear(layer.class_token, normal.select(1, 0))};
  }

  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const Tensor& x, const Tensor& modulation,
                                                const EntangledFinalLayer* layer) {
    const auto m = modulation.chunk(2, 1);
    const auto normal = layer_norm_modulate(x, m[0], m[1]);
    context->save_for_backward({x, m[1], normal.output, normal.mean, normal.rstd});
    context->saved_data["layer"] = reinterpret_cast<std::int64_t>(layer);
    return project(*layer, normal.output);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto* layer =
        reinterpret_cast<const EntangledFinalLayer*>(context->saved_data["layer"].toInt());
    const auto s = context->get_saved_variables();
    const auto& normal = s[2];
    const auto width = normal.size(2);
    const auto dpatches = unpatchify_backward(gradients[0], layer->patch);
    const auto& dclass = gradients[1];
    linear_backward_parameters(
        layer->patches, normal.narrow(1, 1, normal.size(1) - 1).reshape({-1, width}), dpatches);
    linear_backward_parameters(layer->class_token, normal.select(1, 0), dclass);
    const auto dnormal =
        at::cat({linear_backward_input(layer->class_token, dclass).unsqueeze(1),
                 linear_backward_input(layer->patches, dpatches).view({normal.size(0), -1, width})},
                1);
    const auto d = layer_norm_modulate_backward(dnormal, s[0], s[3], s[4], s[1]);
    return {d.x, at::cat({d.shift, d.scale}, 1), Tensor()};
  }
};

/// Image and class token of the last tokens.
inline std::pair<Tensor, Tensor> apply_final_layer(const EntangledFinalLayer& layer,
                                                   const Tensor& x, const Tensor& modulation) {
  torch::autograd::variable_list outputs;
  if (at::GradMode::is_enabled()) {
    outputs = EntangledFinalLayerFunction::apply(x, modulation, &layer);
  } else {
    const auto m = modulation.chunk(2, 1);
    outputs =
        EntangledFinalLayerFunction::project(layer, layer_norm_modulate(x, m[0], m[1]).output);
  }
  return {outputs[0], outputs[1]};
}

} // namespace d2c
