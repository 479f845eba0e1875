#pragma once
/// The networks of DINOv3 for inference, from the published files of three libraries.

#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

#include <d2c/encoders/check_patch_input.hpp>
#include <d2c/encoders/colour_normalisation.hpp>
#include <d2c/encoders/dinov3_tensors.hpp>
#include <d2c/encoders/vision_transformer_layers.hpp>
#include <d2c/encoders/vision_transformer_weights.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A vision transformer of DINOv3 (Simeoni et al. 2025): pre-norm blocks with LayerScale, eps 1e-5,
/// exact GELU or SwiGLU; queries and keys of patches are rotated by their place in [-1, 1] x
/// [-1, 1], class token and registers are not.
class DINOv3Network {
public:
  using Shape = DINOv3Shape;

  /// Tokens after the last layer norm, float32 on the network's device.
  struct Output {
    Tensor class_token; ///< [n, D], x_norm_clstoken
    Tensor registers;   ///< [n, 4, D], x_storage_tokens
    Tensor patches;     ///< [n, rows * columns, D], x_norm_patchtokens
  };

  /// Reads the network from a file of the authors, of transformers or of timm, in any floating
  /// type. The authors' files hold the periods of the positions (in bfloat16), the others leave
  /// them to the formula; each is taken as its own library takes it. Throws the InputError of
  /// require_fits.
  DINOv3Network(const WeightsFile& file, const DINOv3Shape& shape, at::Device device = at::kCPU)
      : shape_{shape},
        layers_{shape.heads, 1e-5,
                shape.swiglu ? Layers::Activation::swiglu : Layers::Activation::gelu} {
    const c10::NoGradGuard no_grad;
    const DINOv3Names names = require_fits(file, shape);
    const VisionTransformerWeights read{file, device};
    class_token_ = read.tensor(names.class_token());
    registers_ = read.tensor(names.registers());
    patches_ = read.affine(names.patches());
    for (int i = 0; i < shape.depth; ++i) {
      Tensor bias;
      if (shape.biases && names.layout == DINOv3Layout::facebook) {
        const std::string qkv = names.qkv(i).front();
        bias = read.tensor(qkv + ".bias") * read.tensor(qkv + ".bias_mask");
      } else if (shape.biases && names.biases) {
        const auto [query, value] = names.biases_of(i);
        const Tensor of_queries = read.tensor(query);
        bias = at::cat({of_queries, at::zeros_like(of_queries), read.tensor(value)});
      }
      blocks_.push_back({read.affine(names.block(i) + "norm1"),
                         {read.stacked(names.qkv(i), ".weight"), bias},
                         read.affine(names.attention_output(i)),
                         read.tensor(names.scale(i, 1)),
                         read.affine(names.block(i) + "norm2"),
                         read.affine(names.feed_forward_in(i, shape.swiglu)),
                         read.affine(names.feed_forward_out(i, shape.swiglu)),
                         read.tensor(names.scale(i, 2))});
    }
    last_norm_ = read.affine(DINOv3Names::last_norm());
    if (names.layout == DINOv3Layout::facebook) {
      periods_ = read.tensor(DINOv3Names::periods());
    } else {
      const int count = shape.head_width() / 4;
      periods_ = at::pow(100.0, at::arange(count, at::kDouble) / count).to(device, at::kFloat);
    }
  }

  /// Throws one InputError that lists each tensor that is missing, has another shape, or has no
  /// place in a network of this shape; reads no values. Returns where they lie.
  static DINOv3Names require_fits(const WeightsFile& file, const DINOv3Shape& shape) {
    DINOv3Names names = dinov3_names_of(file.names());
    TensorDifferences differences{file};
    differences.expect(dinov3_tensors(shape, names));
    differences.refuse_others([](const std::string&) { return true; });
    differences.raise("the weights of DINOv3 of width " + std::to_string(shape.width) + " with " +
                      std::to_string(shape.depth) + " blocks and " +
                      (shape.swiglu ? "SwiGLU" : "an MLP"));
    return names;
  }

  /// What `[attach] vision_weights` should name.
  static std::string expected_file(const Shape& shape) {
    return "a file with the DINOv3 weights (" + dinov3_file(shape) +
           ", or those of transformers or timm as safetensors)";
  }

  /// The tokens of an input [n, 3, H, W] float32 from prepare() or normalised otherwise, H and W
  /// multiples of 16. Throws InputError for another input.
  [[nodiscard]] Output forward(const Tensor& input) const {
    constexpr std::int64_t patch = DINOv3Shape::patch;
    check_patch_input(input, patch, "DINOv3");
    const c10::NoGradGuard no_grad;
    constexpr std::int64_t first = 1 + DINOv3Shape::registers;
    const std::int64_t n = input.size(0);
    const Tensor angle = angles(input.size(2) / patch, input.size(3) / patch);
    const Tensor cosine = angle.cos();
    const Tensor sine = angle.sin();
    const auto rotate = [&](const Tensor& x) {
      const Tensor places = x.slice(2, first);
      const std::int64_t half = places.size(3) / 2;
      const Tensor turned = at::cat({-places.slice(3, half), places.slice(3, 0, half)}, 3);
      return at::cat({x.slice(2, 0, first), places * cosine + turned * sine}, 2);
    };
    Tensor x = at::cat({class_token_.expand({n, -1, -1}), registers_.expand({n, -1, -1}),
                        Layers::embed(input.to(patches_.weight.device()), patches_)},
                       1);
    for (const Layers::Block& block : blocks_) {
      x = layers_.run(block, x, rotate);
    }
    x = layers_.normalise(x, last_norm_);
    return {x.select(1, 0), x.slice(1, 1, first), x.slice(1, first)};
  }

  /// The angles [rows * columns, head width] by which queries and keys of patches are turned: a
  /// quarter by the row, a quarter by the column, and the same again for the other half of each
  /// pair.
  [[nodiscard]] Tensor angles(std::int64_t rows, std::int64_t columns) const {
    const c10::NoGradGuard no_grad;
    const auto options = periods_.options();
    const auto places = [&](std::int64_t count) {
      return 2.0 * ((at::arange(count, options) + 0.5) / static_cast<double>(count)) - 1.0;
    };
    const auto turns = [&](const Tensor& at_places) {
      return 2.0 * std::numbers::pi * at_places.unsqueeze(1) / periods_;
    };
    const std::int64_t quarter = periods_.size(0);
    const Tensor by_row = turns(places(rows)).unsqueeze(1).expand({rows, columns, quarter});
    const Tensor by_column = turns(places(columns)).unsqueeze(0).expand({rows, columns, quarter});
    const Tensor half = at::cat({by_row, by_column}, 2).view({rows * columns, 2 * quarter});
    return at::cat({half, half}, 1);
  }

  /// The input [n, 3, 16 * grid, 16 * grid] from images [n, C, H, W] uint8, C = 1 (repeated) or 3,
  /// in REPA's order for DINOv2: x / 255, then ImageNet's mean and deviation, then bicubic
  /// (a = -3/4, no antialiasing), which leaves images of that size as they are. Throws InputError
  /// for other images.
  [[nodiscard]] Tensor prepare(const Tensor& images, std::int64_t grid) const {
    const c10::NoGradGuard no_grad;
    const Tensor x =
        imagenet_colours.apply(unit_pixels(images, patches_.weight.device(), "DINOv3"));
    const std::int64_t side = DINOv3Shape::patch * grid;
    return at::upsample_bicubic2d(x, {side, side}, false);
  }

  [[nodiscard]] const DINOv3Shape& shape() const { return shape_; }

private:
  using Layers = VisionTransformerLayers;

  DINOv3Shape shape_;
  Layers layers_;
  Tensor class_token_; // [1, 1, D]
  Tensor registers_;   // [1, 4, D]
  Tensor periods_;     // [head width / 4]
  Layers::Affine patches_;
  std::vector<Layers::Block> blocks_;
  Layers::Affine last_norm_;
};

} // namespace d2c
