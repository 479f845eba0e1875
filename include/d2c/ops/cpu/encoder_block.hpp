#pragma once
/// The blocks of frozen encoders as the kernels of ops/cpu/block_kernels.hpp see them. Types only;
/// torch-free.

#include <cstdint>

namespace d2c::cpu {

/// Of the feed-forward: ReLU, the two forms of GELU (by the error function, by tanh), x sigmoid(x),
/// x sigmoid(1.702 x).
enum class EncoderActivation { relu, gelu, gelu_tanh, silu, quick_gelu };

/// A pre-norm block. The heads together need not be as wide as the tokens.
struct EncoderSizes {
  std::int64_t width;
  std::int64_t heads;
  std::int64_t head_width;
  std::int64_t hidden; ///< inner width of the feed-forward
  EncoderActivation activation;
  bool gated;   ///< the activated half is multiplied with another one
  bool centred; ///< layer norm; false: the root of the mean square alone
  float epsilon;
  float scale; ///< of the logits

  [[nodiscard]] constexpr std::int64_t inner() const { return heads * head_width; }
};

/// Its weights, matrices in panels (see pack_panel); vectors that a network lacks are null.
struct EncoderWeights {
  const float* norm1;
  const float* norm1_shift;
  const float* qkv; ///< [3 inner, width]
  const float* qkv_bias;
  const float* projection; ///< [width, inner]
  const float* projection_bias;
  const float* norm2;
  const float* norm2_shift;
  const float* first; ///< [hidden, width]
  const float* first_bias;
  const float* gate; ///< [hidden, width] or null
  const float* gate_bias;
  const float* second; ///< [width, hidden]
  const float* second_bias;
};

/// What is added to the logits: `bias` [heads, tokens, tokens] in every image, `mask` [images,
/// tokens] to all that attend to a token. Null: nothing.
struct EncoderBias {
  const float* bias = nullptr;
  const float* mask = nullptr;
};

} // namespace d2c::cpu
