#pragma once
/// Plain vision transformers for inference: what the networks of MAE and MoCo v3 share.

#include <cstdint>
#include <string>
#include <utility>

#include <d2c/encoders/check_patch_input.hpp>
#include <d2c/encoders/colour_normalisation.hpp>
#include <d2c/encoders/learned_positions.hpp>
#include <d2c/encoders/vision_transformer_blocks.hpp>
#include <d2c/encoders/vision_transformer_layers.hpp>
#include <d2c/encoders/vision_transformer_tensors.hpp>
#include <d2c/encoders/vision_transformer_weights.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A vision transformer as timm's VisionTransformer computes it: class token, positions, pre-norm
/// blocks, last layer norm; eps 1e-6, exact GELU.
class VisionTransformerNetwork {
public:
  using Shape = VisionTransformerShape;

  /// The tokens that an encoder takes, float32 on the network's device.
  struct Output {
    Tensor class_token; ///< [n, D]
    Tensor patches;     ///< [n, rows * columns, D]
  };

  /// Reads the network from a file, in any floating type; `title` names it in errors. Throws the
  /// InputError of require_fits.
  VisionTransformerNetwork(const WeightsFile& file, const VisionTransformerShape& shape,
                           const VisionTransformerNames& names, const std::string& title,
                           at::Device device = at::kCPU)
      : title_{title},
        shape_{shape},
        layers_{shape.heads, 1e-6, Layers::Activation::gelu},
        blocks_{layers_} {
    const c10::NoGradGuard no_grad;
    require_fits(file, shape, names, title);
    const VisionTransformerWeights read{file, device};
    const Tensor positions = read.tensor(names.positions());
    class_token_ = read.tensor(names.class_token()) + positions.slice(1, 0, 1);
    positions_ = positions.slice(1, 1);
    patches_ = read.affine(names.patches());
    for (int i = 0; i < shape.depth; ++i) {
      blocks_.add({read.affine(names.norm(i, 1)),
                   read.affine(names.qkv(i)),
                   read.affine(names.attention_output(i)),
                   {},
                   read.affine(names.norm(i, 2)),
                   read.affine(names.feed_forward(i, 1)),
                   read.affine(names.feed_forward(i, 2)),
                   {}});
    }
    last_norm_ = read.affine(names.last_norm());
  }

  /// Throws one InputError that lists each tensor that is missing, has another shape, or claims a
  /// place in a network of this shape without having one; reads no values.
  static void require_fits(const WeightsFile& file, const Shape& shape,
                           const VisionTransformerNames& names, const std::string& title) {
    TensorDifferences differences{file};
    differences.expect(vision_transformer_tensors(shape, names));
    differences.refuse_others([&](const std::string& name) { return names.claims(name); });
    differences.raise("the weights of " + title + " of width " + std::to_string(shape.width) +
                      " with " + std::to_string(shape.depth) + " blocks");
  }

  /// The tokens [n, 1 + rows * columns, D] behind the last block, the class token first and none
  /// normalised, of an input [n, 3, H, W] float32, H and W multiples of the patch. Throws
  /// InputError for another input.
  [[nodiscard]] Tensor tokens(const Tensor& input,
                              PositionRule rule = PositionRule::antialiased) const {
    const std::int64_t patch = shape_.patch;
    check_patch_input(input, patch, title_);
    const c10::NoGradGuard no_grad;
    Tensor x = Layers::embed(input.to(patches_.weight.device()), patches_);
    x = x + positions_on_grid(positions_, shape_.positions, input.size(2) / patch,
                              input.size(3) / patch, rule);
    x = at::cat({class_token_.expand({x.size(0), -1, -1}), x}, 1);
    return blocks_.run(std::move(x));
  }

  /// Tokens after the last layer norm.
  [[nodiscard]] Tensor normalised(const Tensor& tokens) const {
    const c10::NoGradGuard no_grad;
    return layers_.normalise(tokens, last_norm_);
  }

  /// REPA's input [n, 3, patch * grid, patch * grid] from images [n, C, H, W] uint8, C = 1
  /// (repeated) or 3: x / 255, then ImageNet's mean and deviation. Images of another size, which
  /// REPA does not give to these networks, are then resized as it does for others: bicubic,
  /// a = -3/4, no antialiasing. Throws InputError for other images.
  [[nodiscard]] Tensor prepare(const Tensor& images, std::int64_t grid) const {
    const c10::NoGradGuard no_grad;
    const Tensor x = imagenet_colours.apply(unit_pixels(images, patches_.weight.device(), title_));
    const std::int64_t side = shape_.patch * grid;
    return x.size(2) == side && x.size(3) == side ? x
                                                  : at::upsample_bicubic2d(x, {side, side}, false);
  }

  [[nodiscard]] const VisionTransformerShape& shape() const { return shape_; }

private:
  using Layers = VisionTransformerLayers;

  std::string title_;
  VisionTransformerShape shape_;
  Layers layers_;
  Tensor class_token_; // [1, 1, D], with its position
  Tensor positions_;   // [1, positions^2, D]
  Layers::Affine patches_;
  VisionTransformerBlocks blocks_;
  Layers::Affine last_norm_;
};

} // namespace d2c
