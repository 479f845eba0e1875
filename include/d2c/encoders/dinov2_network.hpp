#pragma once
/// The networks of DINOv2 for inference, from the published files of three libraries.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <d2c/encoders/check_patch_input.hpp>
#include <d2c/encoders/colour_normalisation.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>
#include <d2c/encoders/learned_positions.hpp>
#include <d2c/encoders/vision_transformer_blocks.hpp>
#include <d2c/encoders/vision_transformer_layers.hpp>
#include <d2c/encoders/vision_transformer_weights.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A vision transformer of DINOv2 (Oquab et al. 2023): pre-norm blocks with LayerScale, eps 1e-6,
/// exact GELU or SwiGLU, registers between the class token and the patches and without position.
class DINOv2Network {
public:
  using Shape = DINOv2Shape;

  /// Tokens after the last layer norm, float32 on the network's device.
  struct Output {
    Tensor class_token; ///< [n, D], x_norm_clstoken
    Tensor registers;   ///< [n, R, D], x_norm_regtokens
    Tensor patches;     ///< [n, rows * columns, D], x_norm_patchtokens
  };

  /// Reads the network from a file of the authors, of transformers or of timm, in any floating
  /// type. Throws the InputError of require_fits.
  DINOv2Network(const WeightsFile& file, const DINOv2Shape& shape, at::Device device = at::kCPU)
      : shape_{shape},
        layers_{shape.heads(), 1e-6,
                shape.swiglu ? Layers::Activation::swiglu : Layers::Activation::gelu},
        blocks_{layers_} {
    const c10::NoGradGuard no_grad;
    const DINOv2Names names = require_fits(file, shape);
    const VisionTransformerWeights read{file, device};
    class_token_ = read.tensor(names.class_token());
    positions_ = read.tensor(names.positions());
    if (positions_.size(1) > static_cast<std::int64_t>(shape.positions) * shape.positions) {
      class_token_ = class_token_ + positions_.slice(1, 0, 1);
      positions_ = positions_.slice(1, 1);
    }
    if (shape.registers > 0) {
      registers_ = read.tensor(names.registers());
    }
    patches_ = read.affine(names.patches());
    for (int i = 0; i < shape.depth; ++i) {
      const auto [first, second] = names.feed_forward(i, shape.swiglu);
      blocks_.add({read.affine(names.block(i) + "norm1"), read.affine(names.qkv(i)),
                   read.affine(names.attention_output(i)), read.tensor(names.scale(i, 1)),
                   read.affine(names.block(i) + "norm2"), read.affine(first), read.affine(second),
                   read.tensor(names.scale(i, 2))});
    }
    last_norm_ = read.affine(names.last_norm());
  }

  /// Throws one InputError that lists each tensor that is missing, has another shape, or has no
  /// place in a network of this shape; reads no values. Returns where they lie.
  static DINOv2Names require_fits(const WeightsFile& file, const DINOv2Shape& shape) {
    DINOv2Names names = dinov2_names_of(file.names());
    TensorDifferences differences{file};
    differences.expect(dinov2_tensors(shape, names));
    differences.refuse_others(
        [&](const std::string& name) { return name.starts_with(names.prefix); });
    differences.raise("the weights of DINOv2 of width " + std::to_string(shape.width) + " with " +
                      std::to_string(shape.depth) + " blocks and " +
                      std::to_string(shape.registers) + " registers");
    return names;
  }

  /// What `[attach] vision_weights` should name.
  static std::string expected_file(const Shape& shape) {
    return "a file with the DINOv2 weights (" + dinov2_file(shape) +
           ", or those of transformers or timm as safetensors)";
  }

  /// The tokens of an input [n, 3, H, W] float32 from prepare() or normalised otherwise, H and W
  /// multiples of 14. Throws InputError for another input.
  [[nodiscard]] Output forward(const Tensor& input,
                               PositionRule rule = PositionRule::antialiased) const {
    constexpr std::int64_t patch = DINOv2Shape::patch;
    check_patch_input(input, patch, "DINOv2");
    const c10::NoGradGuard no_grad;
    const std::int64_t n = input.size(0);
    Tensor x = Layers::embed(input.to(patches_.weight.device()), patches_);
    x = x + positions(input.size(2) / patch, input.size(3) / patch, rule);
    std::vector<Tensor> tokens = {class_token_.expand({n, -1, -1})};
    if (registers_.defined()) {
      tokens.push_back(registers_.expand({n, -1, -1}));
    }
    tokens.push_back(x);
    x = at::cat(tokens, 1);
    x = blocks_.run(std::move(x));
    x = layers_.normalise(x, last_norm_);
    const std::int64_t first = 1 + shape_.registers;
    return {x.select(1, 0), x.slice(1, 1, first), x.slice(1, first)};
  }

  /// The positions [1, rows * columns, D] of a grid; the learned ones where the grid is theirs.
  [[nodiscard]] Tensor positions(std::int64_t rows, std::int64_t columns, PositionRule rule) const {
    return positions_on_grid(positions_, shape_.positions, rows, columns, rule);
  }

  /// REPA's input [n, 3, 14 * grid, 14 * grid] from images [n, C, H, W] uint8, C = 1 (repeated) or
  /// 3: x / 255, then ImageNet's mean and deviation, then bicubic (a = -3/4, no antialiasing).
  /// Throws InputError for other images.
  [[nodiscard]] Tensor prepare(const Tensor& images, std::int64_t grid) const {
    const c10::NoGradGuard no_grad;
    const Tensor x =
        imagenet_colours.apply(unit_pixels(images, patches_.weight.device(), "DINOv2"));
    const std::int64_t side = DINOv2Shape::patch * grid;
    return at::upsample_bicubic2d(x, {side, side}, false);
  }

  [[nodiscard]] const DINOv2Shape& shape() const { return shape_; }

private:
  using Layers = VisionTransformerLayers;

  DINOv2Shape shape_;
  Layers layers_;
  Tensor class_token_; // [1, 1, D], with its position
  Tensor positions_;   // [1, positions^2, D]
  Tensor registers_;   // [1, R, D] or undefined
  Layers::Affine patches_;
  VisionTransformerBlocks blocks_;
  Layers::Affine last_norm_;
};

} // namespace d2c
