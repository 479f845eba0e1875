#pragma once
/// All blocks of a pre-norm vision transformer, for inference: by the fused kernels on a CPU, by
/// operators elsewhere.

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <d2c/encoders/vision_transformer_layers.hpp>
#include <d2c/models/block_parameters.hpp>
#include <d2c/models/frozen_blocks.hpp>
#include <d2c/ops/cpu/encoder_block.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The blocks of one network, added in their order. On a CPU LayerScale is multiplied into the
/// matrices before it, and the given weights are not kept.
class VisionTransformerBlocks {
public:
  using Layers = VisionTransformerLayers;

  /// `path` as for a diffusion transformer.
  explicit VisionTransformerBlocks(const Layers& layers, BlockPath path = BlockPath::automatic)
      : layers_{layers}, path_{path} {}

  void add(Layers::Block block) {
    if (path_ == BlockPath::operators || !FrozenBlocks::available(block.qkv.weight.device())) {
      blocks_.push_back(std::move(block));
      return;
    }
    if (!fused_) {
      fused_.emplace(sizes_of(block));
    }
    const auto scaled = [](const Layers::Affine& map, const Tensor& scale) {
      return scale.defined() ? FrozenLinear{map.weight * scale.unsqueeze(1), map.bias * scale}
                             : FrozenLinear{map.weight, map.bias};
    };
    FrozenBlock frozen;
    frozen.norm1 = block.norm1.weight;
    frozen.norm1_shift = block.norm1.bias;
    frozen.qkv = {block.qkv.weight, block.qkv.bias};
    frozen.projection = scaled(block.output, block.scale1);
    frozen.norm2 = block.norm2.weight;
    frozen.norm2_shift = block.norm2.bias;
    frozen.first = {block.first.weight, block.first.bias};
    if (layers_.activation == Layers::Activation::swiglu) {
      const auto rows = block.first.weight.chunk(2);
      const auto biases = block.first.bias.chunk(2);
      frozen.first = {rows[0], biases[0]};
      frozen.gate = {rows[1], biases[1]};
    }
    frozen.second = scaled(block.second, block.scale2);
    fused_->add(frozen);
  }

  /// The tokens [n, T, D] behind the last block; they may take the memory of x.
  [[nodiscard]] Tensor run(Tensor x) const {
    for (const Layers::Block& block : blocks_) {
      x = layers_.run(block, x);
    }
    if (fused_ && x.numel() > 0) {
      x = x.contiguous();
      fused_->forward(x, layers_.causal ? causal_bias(x.size(1)) : Tensor{});
    }
    return x;
  }

private:
  [[nodiscard]] cpu::EncoderSizes sizes_of(const Layers::Block& block) const {
    const std::int64_t head_width = block.qkv.weight.size(0) / 3 / layers_.heads;
    return {block.qkv.weight.size(1),
            layers_.heads,
            head_width,
            block.second.weight.size(1),
            activation(),
            layers_.activation == Layers::Activation::swiglu,
            true,
            static_cast<float>(layers_.epsilon),
            1.0F / std::sqrt(static_cast<float>(head_width))};
  }

  [[nodiscard]] cpu::EncoderActivation activation() const {
    switch (layers_.activation) {
    case Layers::Activation::gelu:
      return cpu::EncoderActivation::gelu;
    case Layers::Activation::gelu_tanh:
      return cpu::EncoderActivation::gelu_tanh;
    case Layers::Activation::gelu_quick:
      return cpu::EncoderActivation::quick_gelu;
    case Layers::Activation::swiglu:
      break;
    }
    return cpu::EncoderActivation::silu;
  }

  /// Zero for the tokens that a token attends to, else so little that nothing is left of them.
  [[nodiscard]] Tensor causal_bias(std::int64_t tokens) const {
    return at::full({layers_.heads, tokens, tokens}, -std::numeric_limits<float>::max(), at::kFloat)
        .triu_(1);
  }

  Layers layers_;
  BlockPath path_;
  std::vector<Layers::Block> blocks_;
  std::optional<FrozenBlocks> fused_; // instead of blocks_
};

} // namespace d2c
