#pragma once
/// The networks of DINOv2 for inference, from the published files of three libraries.

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// How the 37 x 37 learned positions become those of another grid; each differs from the others by
/// far more than rounding. All are bicubic in float32.
/// `antialiased`: widened when shrinking, a = -1/2 (REPA, timm, and the authors' networks with
/// registers). `plain`: a = -3/4 at the asked size (transformers' Dinov2Model). `offset`: the same
/// with the scale (size + 0.1) / 37 (the authors' networks without registers).
enum class PositionRule { antialiased, plain, offset };

/// A vision transformer of DINOv2 (Oquab et al. 2023): pre-norm blocks with LayerScale, eps 1e-6,
/// exact GELU or SwiGLU, registers between the class token and the patches and without position.
class DINOv2Network {
public:
  /// Tokens after the last layer norm, float32 on the network's device.
  struct Output {
    Tensor class_token; ///< [n, D], x_norm_clstoken
    Tensor registers;   ///< [n, R, D], x_norm_regtokens
    Tensor patches;     ///< [n, rows * columns, D], x_norm_patchtokens
  };

  /// Reads the network from a file of the authors, of transformers or of timm, in any floating
  /// type. Throws one InputError that lists each tensor that is missing, has another shape, or has
  /// no place in a network of this shape.
  DINOv2Network(const WeightsFile& file, const DINOv2Shape& shape, at::Device device = at::kCPU)
      : shape_{shape} {
    const c10::NoGradGuard no_grad;
    const DINOv2Names names = dinov2_names_of(file.names());
    check(file, names);
    const auto take = [&](const std::string& name) {
      return file.read(name).to(device, at::kFloat).contiguous();
    };
    const auto affine = [&](const std::string& name) {
      return Affine{take(name + ".weight"), take(name + ".bias")};
    };
    class_token_ = take(names.class_token());
    positions_ = take(names.positions());
    if (positions_.size(1) > static_cast<std::int64_t>(shape.positions) * shape.positions) {
      class_token_ = class_token_ + positions_.slice(1, 0, 1);
      positions_ = positions_.slice(1, 1);
    }
    if (shape.registers > 0) {
      registers_ = take(names.registers());
    }
    patches_ = affine(names.patches());
    for (int i = 0; i < shape.depth; ++i) {
      std::vector<Tensor> weights;
      std::vector<Tensor> biases;
      for (const std::string& rows : names.qkv(i)) {
        weights.push_back(take(rows + ".weight"));
        biases.push_back(take(rows + ".bias"));
      }
      const auto [first, second] = names.feed_forward(i, shape.swiglu);
      blocks_.push_back({affine(names.block(i) + "norm1"),
                         {at::cat(weights), at::cat(biases)},
                         affine(names.attention_output(i)),
                         take(names.scale(i, 1)),
                         affine(names.block(i) + "norm2"),
                         affine(first),
                         affine(second),
                         take(names.scale(i, 2))});
    }
    last_norm_ = affine(names.last_norm());
  }

  /// The tokens of an input [n, 3, H, W] float32 from prepare() or normalised otherwise, H and W
  /// multiples of 14. Throws InputError for another input.
  [[nodiscard]] Output forward(const Tensor& input,
                               PositionRule rule = PositionRule::antialiased) const {
    constexpr std::int64_t patch = DINOv2Shape::patch;
    if (input.dim() != 4 || input.size(1) != 3 || input.size(2) < patch || input.size(3) < patch ||
        input.size(2) % patch != 0 || input.size(3) % patch != 0 ||
        input.scalar_type() != at::kFloat) {
      throw InputError("DINOv2: expected an input [n, 3, H, W] of float32 with H and W multiples "
                       "of 14, found " +
                       c10::str(input.sizes()) + " of " + c10::toString(input.scalar_type()));
    }
    const c10::NoGradGuard no_grad;
    const std::int64_t n = input.size(0);
    Tensor x = at::conv2d(input.to(patches_.weight.device()), patches_.weight, patches_.bias, patch)
                   .flatten(2)
                   .transpose(1, 2);
    x = x + positions(input.size(2) / patch, input.size(3) / patch, rule);
    std::vector<Tensor> tokens = {class_token_.expand({n, -1, -1})};
    if (registers_.defined()) {
      tokens.push_back(registers_.expand({n, -1, -1}));
    }
    tokens.push_back(x);
    x = at::cat(tokens, 1);
    for (const Block& block : blocks_) {
      x = x + attend(block, normalise(x, block.norm1)) * block.scale1;
      x = x + feed_forward(block, normalise(x, block.norm2)) * block.scale2;
    }
    x = normalise(x, last_norm_);
    const std::int64_t first = 1 + shape_.registers;
    return {x.select(1, 0), x.slice(1, 1, first), x.slice(1, first)};
  }

  /// The positions [1, rows * columns, D] of a grid; the learned ones where the grid is theirs.
  [[nodiscard]] Tensor positions(std::int64_t rows, std::int64_t columns, PositionRule rule) const {
    const c10::NoGradGuard no_grad;
    const std::int64_t side = shape_.positions;
    if (rows == side && columns == side) {
      return positions_;
    }
    const Tensor grid =
        positions_.transpose(1, 2).reshape({1, shape_.width, side, side}).contiguous();
    const auto scaled = [&](std::int64_t size) {
      return (static_cast<double>(size) + 0.1) / static_cast<double>(side);
    };
    Tensor resized;
    switch (rule) {
    case PositionRule::antialiased:
      resized = at::_upsample_bicubic2d_aa(grid, {rows, columns}, false);
      break;
    case PositionRule::plain:
      resized = at::upsample_bicubic2d(grid, {rows, columns}, false);
      break;
    case PositionRule::offset:
      resized = at::upsample_bicubic2d(grid, {rows, columns}, false, scaled(rows), scaled(columns));
      break;
    }
    return resized.flatten(2).transpose(1, 2);
  }

  /// REPA's input [n, 3, 14 * grid, 14 * grid] from images [n, C, H, W] uint8, C = 1 (repeated) or
  /// 3: x / 255, then ImageNet's mean and deviation, then bicubic (a = -3/4, no antialiasing).
  /// Throws InputError for other images.
  [[nodiscard]] Tensor prepare(const Tensor& images, std::int64_t grid) const {
    if (images.dim() != 4 || (images.size(1) != 1 && images.size(1) != 3) ||
        images.scalar_type() != at::kByte) {
      throw InputError("DINOv2: expected images [n, 1 or 3, H, W] of uint8, found " +
                       c10::str(images.sizes()) + " of " + c10::toString(images.scalar_type()));
    }
    const c10::NoGradGuard no_grad;
    const Tensor pixels = images.to(patches_.weight.device(), at::kFloat).div_(255.0);
    const auto colours = [&](std::initializer_list<float> values) {
      return at::tensor(values, pixels.options()).view({1, 3, 1, 1});
    };
    const Tensor x =
        (pixels - colours({0.485F, 0.456F, 0.406F})) / colours({0.229F, 0.224F, 0.225F});
    const std::int64_t side = DINOv2Shape::patch * grid;
    return at::upsample_bicubic2d(x, {side, side}, false);
  }

  [[nodiscard]] const DINOv2Shape& shape() const { return shape_; }

private:
  struct Affine {
    Tensor weight;
    Tensor bias;
  };

  struct Block {
    Affine norm1;
    Affine qkv;
    Affine output;
    Tensor scale1;
    Affine norm2;
    Affine first;
    Affine second;
    Tensor scale2;
  };

  void check(const WeightsFile& file, const DINOv2Names& names) const {
    std::string wrong;
    const auto note = [&wrong](const std::string& what) {
      wrong += (wrong.empty() ? "" : "; ") + what;
    };
    const auto text = [](const std::vector<std::int64_t>& sizes) {
      return c10::str(at::IntArrayRef{sizes});
    };
    std::set<std::string> known;
    for (const DINOv2Tensor& tensor : dinov2_tensors(shape_, names)) {
      known.insert(tensor.name);
      if (!file.has(tensor.name)) {
        if (tensor.needed) {
          note("missing " + tensor.name + " " + text(tensor.shape));
        }
      } else if (file.shape(tensor.name) != tensor.shape) {
        note("mis-shaped " + tensor.name + ", expected " + text(tensor.shape) + ", found " +
             text(file.shape(tensor.name)));
      }
    }
    for (const std::string& name : file.names()) {
      if (name.starts_with(names.prefix) && !known.contains(name)) {
        note("unexpected " + name + " " + text(file.shape(name)));
      }
    }
    if (!wrong.empty()) {
      throw InputError(file.path().string() + ": expected the weights of DINOv2 of width " +
                       std::to_string(shape_.width) + " with " + std::to_string(shape_.depth) +
                       " blocks and " + std::to_string(shape_.registers) +
                       " registers, found: " + wrong);
    }
  }

  [[nodiscard]] Tensor normalise(const Tensor& x, const Affine& norm) const {
    return at::layer_norm(x, {shape_.width}, norm.weight, norm.bias, 1e-6);
  }

  [[nodiscard]] Tensor attend(const Block& block, const Tensor& x) const {
    const std::int64_t n = x.size(0);
    const std::int64_t tokens = x.size(1);
    const Tensor qkv = at::linear(x, block.qkv.weight, block.qkv.bias)
                           .view({n, tokens, 3, shape_.heads(), 64})
                           .permute({2, 0, 3, 1, 4});
    const Tensor mixed = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2]);
    return at::linear(mixed.transpose(1, 2).reshape(x.sizes()), block.output.weight,
                      block.output.bias);
  }

  [[nodiscard]] Tensor feed_forward(const Block& block, const Tensor& x) const {
    Tensor inner = at::linear(x, block.first.weight, block.first.bias);
    if (shape_.swiglu) {
      const auto halves = inner.chunk(2, -1);
      inner = at::silu(halves[0]) * halves[1];
    } else {
      inner = at::gelu(inner);
    }
    return at::linear(inner, block.second.weight, block.second.bias);
  }

  DINOv2Shape shape_;
  Tensor class_token_; // [1, 1, D], with its position
  Tensor positions_;   // [1, positions^2, D]
  Tensor registers_;   // [1, R, D] or undefined
  Affine patches_;
  std::vector<Block> blocks_;
  Affine last_norm_;
};

} // namespace d2c
