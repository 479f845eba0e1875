#pragma once
/// Sizes of diffusion transformers as compile-time values, and the run-time shape of a network.
/// Published sizes: Peebles & Xie 2023 (DiT), table 1; SiT and REPA use the same.

#include <cstdint>

namespace d2c {

/// Which published family a transformer belongs to. DiT predicts noise at integer times (and its
/// variance); SiT predicts velocity at t in [0, 1].
enum class Family { dit, sit };

/// Depth, width, heads, patch side and MLP ratio. A structural type: usable as template argument.
struct TransformerSize {
  int depth = 0;
  int width = 0;
  int heads = 0;
  int patch = 0;
  int mlp_ratio = 4;

  [[nodiscard]] constexpr int head_width() const { return width / heads; }

  friend constexpr bool operator==(const TransformerSize&, const TransformerSize&) = default;
};

/// The published sizes S, B, L, XL at a given patch side.
namespace sizes {
constexpr TransformerSize S(int patch) {
  return {12, 384, 6, patch};
}

constexpr TransformerSize B(int patch) {
  return {12, 768, 12, patch};
}

constexpr TransformerSize L(int patch) {
  return {24, 1024, 16, patch};
}

constexpr TransformerSize XL(int patch) {
  return {28, 1152, 16, patch};
}
} // namespace sizes

/// Everything that fixes the parameters of one network. Names and shapes of its tensors follow from
/// it alone (see parameter_list in models/parameter_list.hpp).
struct NetworkShape {
  Family family = Family::sit;
  TransformerSize size;
  int channels = 4; ///< latent channels
  int height = 32;  ///< latent rows, a multiple of the patch side
  int width = 32;   ///< latent columns
  int classes = 1000;
  bool learn_sigma = false; ///< twice the output channels: prediction, then variance (DiT)
  bool class_embedding = true;
  bool text_embedding = false; ///< DC-Embedding: adds the text branch of Eq. 9
  int text_tokens = 0;         ///< tokens per prompt, the kernel and stride of the Conv1d
  int text_width = 0;          ///< width of one text token
  int align_depth = 0;         ///< blocks before the projector; 0: no projector
  int align_width = 0;         ///< width of the encoder's patch tokens
  int align_hidden = 2048;     ///< hidden width of the projector (REPA)
  int class_token_width = 0;   ///< width of REG's class token; 0: none

  [[nodiscard]] constexpr int grid_height() const { return height / size.patch; }

  [[nodiscard]] constexpr int grid_width() const { return width / size.patch; }

  [[nodiscard]] constexpr int tokens() const { return grid_height() * grid_width(); }

  /// Patch tokens, and before them the class token of REG.
  [[nodiscard]] constexpr int sequence() const {
    return tokens() + (class_token_width > 0 ? 1 : 0);
  }

  [[nodiscard]] constexpr int out_channels() const { return learn_sigma ? 2 * channels : channels; }

  friend constexpr bool operator==(const NetworkShape&, const NetworkShape&) = default;
};

} // namespace d2c
