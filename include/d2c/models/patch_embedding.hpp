#pragma once
/// The input layer: patches to tokens plus the frozen position embedding.

#include <d2c/core/compiled_once.hpp>
#include <d2c/ops/linear.hpp>
#include <d2c/ops/patches.hpp>

namespace d2c {

/// Parameters of the input layer.
struct PatchEmbedding {
  Linear projection;
  Tensor positions; ///< [1, N, D]
  std::int64_t patch = 0;
};

/// The input layer in the autograd graph: image [B, C, H, W] -> tokens [B, N, D].
struct PatchEmbeddingFunction : torch::autograd::Function<PatchEmbeddingFunction> {
  static Tensor embed(const PatchEmbedding& layer, const Tensor& patches, std::int64_t batch) {
    return linear(layer.projection, patches)
        .view({batch, layer.positions.size(1), -1})
        .add_(layer.positions);
  }

  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& image,
                        const Tensor& /*anchor*/, const PatchEmbedding* layer) {
    const auto patches = patches_from_image(image, layer->patch);
    context->save_for_backward({patches});
    context->saved_data["layer"] = reinterpret_cast<std::int64_t>(layer);
    context->saved_data["sizes"] = image.sizes();
    return embed(*layer, patches, image.size(0));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto* layer =
        reinterpret_cast<const PatchEmbedding*>(context->saved_data["layer"].toInt());
    const auto patches = context->get_saved_variables()[0];
    const auto dy = gradients[0].reshape({patches.size(0), -1});
    linear_backward_parameters(layer->projection, patches, dy);
    Tensor dimage;
    if (context->needs_input_grad(0)) {
      dimage = image_from_patches(linear_backward_input(layer->projection, dy),
                                  context->saved_data["sizes"].toIntVector(), layer->patch);
    }
    return {dimage, Tensor(), Tensor()};
  }
};

/// Tokens of an image. `anchor` is any leaf that requires a gradient: parameters take theirs
/// directly, so something else has to keep the graph alive.
template <class = Once>
Tensor apply_patch_embedding(const PatchEmbedding& layer, const Tensor& image,
                             const Tensor& anchor) {
  if (!at::GradMode::is_enabled()) {
    return PatchEmbeddingFunction::embed(layer, patches_from_image(image, layer.patch),
                                         image.size(0));
  }
  return PatchEmbeddingFunction::apply(image, anchor, &layer);
}
D2C_COMPILED_ONCE(Tensor apply_patch_embedding<>(const PatchEmbedding&, const Tensor&,
                                                 const Tensor&))

} // namespace d2c
