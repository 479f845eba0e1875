#pragma once
/// The layers that pre-norm vision transformers share, for inference. Tokens, positions and the
/// norms around the blocks are each network's own.

#include <cstdint>
#include <functional>
#include <vector>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Blocks x += s1 * attention(norm1 x); x += s2 * feed_forward(norm2 x) (Dosovitskiy et al. 2021),
/// with or without LayerScale. All tensors are float32 on one device; tokens are [n, T, D].
struct VisionTransformerLayers {
  /// What stands between the two matrices of the feed-forward: GELU exactly, by tanh or as x
  /// sigmoid(1.702 x); `swiglu` multiplies silu of the first half of the rows with the second half.
  enum class Activation { gelu, gelu_tanh, gelu_quick, swiglu };

  /// A linear map, a convolution or a layer norm; a map without bias leaves it undefined.
  struct Affine {
    Tensor weight;
    Tensor bias;
  };

  struct Block {
    Affine norm1;
    Affine qkv;    ///< [3 D, D], the rows of q, k and v in this order, heads outermost in each
    Affine output; ///< [D, D]
    Tensor scale1; ///< [D], or undefined without LayerScale
    Affine norm2;
    Affine first;  ///< [hidden, D]; [2 hidden, D] for swiglu
    Affine second; ///< [D, hidden]
    Tensor scale2;
  };

  std::int64_t heads = 12;
  double epsilon = 1e-6; ///< of the layer norms
  Activation activation = Activation::gelu;
  bool causal = false; ///< a token attends to itself and to those before it (text)

  /// Rows that a file may keep apart (query, key and value) as one matrix or bias.
  [[nodiscard]] static Tensor stacked(const std::vector<Tensor>& parts) {
    return parts.size() == 1 ? parts.front() : at::cat(parts);
  }

  /// Patch tokens [n, rows * columns, D], rows first, of images [n, 3, H, W]; `patches` is a
  /// convolution whose stride is its size.
  [[nodiscard]] static Tensor embed(const Tensor& images, const Affine& patches) {
    return at::conv2d(images, patches.weight, patches.bias, patches.weight.sizes().slice(2))
        .flatten(2)
        .transpose(1, 2);
  }

  [[nodiscard]] Tensor normalise(const Tensor& x, const Affine& norm) const {
    return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, epsilon);
  }

  /// Self-attention; `rotate` takes queries and keys [n, heads, T, D / heads] and gives them back
  /// with their position, where the network has rotary ones.
  template <class Rotate = std::identity>
  [[nodiscard]] Tensor attend(const Block& block, const Tensor& x,
                              const Rotate& rotate = {}) const {
    const std::int64_t n = x.size(0);
    const std::int64_t tokens = x.size(1);
    const std::int64_t width = block.qkv.weight.size(0) / 3;
    const Tensor qkv = at::linear(x, block.qkv.weight, block.qkv.bias)
                           .view({n, tokens, 3, heads, width / heads})
                           .permute({2, 0, 3, 1, 4});
    const Tensor mixed =
        at::scaled_dot_product_attention(rotate(qkv[0]), rotate(qkv[1]), qkv[2], {}, 0.0, causal);
    return at::linear(mixed.transpose(1, 2).reshape({n, tokens, width}), block.output.weight,
                      block.output.bias);
  }

  [[nodiscard]] Tensor feed_forward(const Block& block, const Tensor& x) const {
    return at::linear(activated(at::linear(x, block.first.weight, block.first.bias)),
                      block.second.weight, block.second.bias);
  }

  /// The tokens behind a block.
  template <class Rotate = std::identity>
  [[nodiscard]] Tensor run(const Block& block, Tensor x, const Rotate& rotate = {}) const {
    x = x + scaled(attend(block, normalise(x, block.norm1), rotate), block.scale1);
    return x + scaled(feed_forward(block, normalise(x, block.norm2)), block.scale2);
  }

private:
  static Tensor scaled(const Tensor& x, const Tensor& scale) {
    return scale.defined() ? x * scale : x;
  }

  [[nodiscard]] Tensor activated(const Tensor& x) const {
    switch (activation) {
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::gelu_quick:
      return x * at::sigmoid(1.702 * x);
    case Activation::swiglu:
      break;
    }
    const auto halves = x.chunk(2, -1);
    return at::silu(halves[0]) * halves[1];
  }
};

} // namespace d2c
