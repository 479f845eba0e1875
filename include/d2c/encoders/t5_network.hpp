#pragma once
/// The encoder networks of T5 for inference, from the published files.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/encoders/t5_tensors.hpp>
#include <d2c/models/block_parameters.hpp>
#include <d2c/models/frozen_blocks.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/ops/cpu/encoder_block.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// An encoder of T5 (Raffel et al. 2020) in float32: pre-norm blocks without bias, RMS norm with
/// eps 1e-6, attention without scaling and with one learned bias by relative position for all
/// blocks, ReLU or tanh-GEGLU. Follows transformers' T5EncoderModel.
class T5Network {
public:
  /// Reads the network from a whole file or an index of shards, in any floating type (float16 is
  /// for storage alone: T5's activations exceed its range). The decoder of a whole model is left
  /// out. Throws one InputError that lists each tensor that is missing, has another shape, or has
  /// no place in a network of this shape. `path` as for a diffusion transformer.
  T5Network(const WeightsFile& file, const T5Shape& shape, at::Device device = at::kCPU,
            BlockPath path = BlockPath::automatic)
      : shape_{shape} {
    const c10::NoGradGuard no_grad;
    require_fits(file, shape);
    const auto take = [&](std::string_view name) {
      return file.read(name).to(device, at::kFloat).contiguous();
    };
    words_ = take(embedding_name(file));
    check_alias(file);
    position_bias_ = take(T5Names::position_bias);
    if (path != BlockPath::operators && FrozenBlocks::available(device)) {
      fused_.emplace(cpu::EncoderSizes{shape.width, shape.heads, shape.key_width, shape.hidden,
                                       shape.gated ? cpu::EncoderActivation::gelu_tanh
                                                   : cpu::EncoderActivation::relu,
                                       shape.gated, false, epsilon, 1.0F});
    }
    for (int i = 0; i < shape.layers; ++i) {
      FrozenBlock block;
      block.norm1 = take(T5Names::norm(i, 0));
      block.qkv.weight =
          at::cat({take(T5Names::attention(i, 'q')), take(T5Names::attention(i, 'k')),
                   take(T5Names::attention(i, 'v'))});
      block.projection.weight = take(T5Names::attention(i, 'o'));
      block.norm2 = take(T5Names::norm(i, 1));
      block.first.weight = take(T5Names::feed_forward(i, shape.gated ? "wi_0" : "wi"));
      if (shape.gated) {
        block.gate.weight = take(T5Names::feed_forward(i, "wi_1"));
      }
      block.second.weight = take(T5Names::feed_forward(i, "wo"));
      if (fused_) {
        fused_->add(block);
      } else {
        blocks_.push_back(std::move(block));
      }
    }
    last_norm_ = take(T5Names::last_norm);
  }

  /// Throws InputError as the constructor does for the names and shapes; reads no values.
  static void require_fits(const WeightsFile& file, const T5Shape& shape) {
    TensorDifferences differences{file};
    for (NamedShape tensor : t5_tensors(shape)) {
      const bool words = tensor.name == T5Names::embedding;
      if (words) {
        tensor.name = embedding_name(file);
      }
      differences.expect(tensor);
      if (words && tensor.name != T5Names::embedding_alias) {
        differences.expect({std::string(T5Names::embedding_alias), tensor.shape, false});
      }
    }
    differences.refuse_others([](const std::string& name) { return !T5Names::of_decoder(name); });
    differences.raise("the weights of a T5 encoder of width " + std::to_string(shape.width) +
                      " with " + std::to_string(shape.layers) + " blocks and " +
                      (shape.gated ? "GEGLU (1.1)" : "ReLU (1.0)"));
  }

  /// The last hidden states [n, L, width] float32 of token ids [n, L] (int64) with mask [n, L] (1:
  /// a token, 0: padding, which no token attends to). Throws InputError for other shapes.
  [[nodiscard]] Tensor last_hidden_state(const Tensor& ids, const Tensor& mask) const {
    if (ids.dim() != 2 || ids.sizes() != mask.sizes() || ids.scalar_type() != at::kLong) {
      throw InputError("T5: expected ids of int64 and mask of one shape [n, L], found " +
                       c10::str(ids.sizes()) + " of " + c10::toString(ids.scalar_type()) + " and " +
                       c10::str(mask.sizes()));
    }
    const c10::NoGradGuard no_grad;
    const auto device = words_.device();
    const std::int64_t n = ids.size(0);
    const std::int64_t length = ids.size(1);
    const std::int64_t heads = shape_.heads;
    const Tensor bias = position_bias(length);
    const Tensor hidden = (1.0 - mask.to(device, at::kFloat).contiguous()) *
                          static_cast<double>(std::numeric_limits<float>::lowest());
    Tensor x = at::embedding(words_, ids.to(device));
    if (fused_ && x.numel() > 0) {
      fused_->forward(x, bias.contiguous(), hidden);
    }
    const Tensor added = bias + hidden.view({n, 1, 1, length});
    for (const FrozenBlock& block : blocks_) {
      const Tensor qkv = at::linear(normalise(x, block.norm1), block.qkv.weight)
                             .view({n, length, 3, heads, shape_.key_width})
                             .permute({2, 0, 3, 1, 4});
      const Tensor weights =
          at::softmax(at::matmul(qkv[0], qkv[1].transpose(2, 3)).add_(added), -1);
      const Tensor mixed =
          at::matmul(weights, qkv[2]).transpose(1, 2).reshape({n, length, shape_.inner()});
      x = x + at::linear(mixed, block.projection.weight);
      x = x + at::linear(feed_forward(block, normalise(x, block.norm2)), block.second.weight);
    }
    return normalise(x, last_norm_);
  }

  /// The bias [1, heads, L, L] that every block adds to the attention of a query (row) to a key.
  [[nodiscard]] Tensor position_bias(std::int64_t length) const {
    const c10::NoGradGuard no_grad;
    const Tensor buckets = at::empty({length, length}, at::kLong);
    auto* out = buckets.mutable_data_ptr<std::int64_t>();
    for (std::int64_t query = 0; query < length; ++query) {
      for (std::int64_t key = 0; key < length; ++key) {
        *out++ = t5_bucket(key - query);
      }
    }
    return at::embedding(position_bias_, buckets.to(position_bias_.device()))
        .permute({2, 0, 1})
        .unsqueeze(0);
  }

  [[nodiscard]] const T5Shape& shape() const { return shape_; }

private:
  static constexpr float epsilon = 1e-6F;

  static Tensor normalise(const Tensor& x, const Tensor& weight) {
    return weight * (x * at::rsqrt(x.square().mean({-1}, true) + epsilon));
  }

  /// Before its second matrix.
  [[nodiscard]] Tensor feed_forward(const FrozenBlock& block, const Tensor& x) const {
    const Tensor inner = at::linear(x, block.first.weight);
    return shape_.gated ? at::gelu(inner, "tanh").mul_(at::linear(x, block.gate.weight))
                        : at::relu(inner);
  }

  static std::string_view embedding_name(const WeightsFile& file) {
    for (const std::string_view name :
         {T5Names::embedding, T5Names::embedding_alias, T5Names::embedding_of_decoder}) {
      if (file.has(name)) {
        return name;
      }
    }
    return T5Names::embedding;
  }

  /// Both names mean one tensor, so two different ones are no T5.
  void check_alias(const WeightsFile& file) const {
    if (file.has(T5Names::embedding) && file.has(T5Names::embedding_alias) &&
        !at::equal(words_.to(at::kCPU), file.read(T5Names::embedding_alias).to(at::kFloat))) {
      throw InputError(file.path().string() + ": expected " + std::string(T5Names::embedding) +
                       " and " + std::string(T5Names::embedding_alias) +
                       " to be one tensor (T5), found two different ones");
    }
  }

  T5Shape shape_;
  Tensor words_;
  Tensor position_bias_; // [buckets, heads]
  std::optional<FrozenBlocks> fused_;
  std::vector<FrozenBlock> blocks_; // where fused_ is not
  Tensor last_norm_;
};

} // namespace d2c
