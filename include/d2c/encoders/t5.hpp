#pragma once
/// The T5-XL text encoder as a type: its facts.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// Encoder of Flan-T5-XL or T5-v1.1-XL (Raffel et al. 2020): 16 tokens of width 2048 per prompt.
/// Attacher policy of role text_encoder.
struct T5 {
  using role = roles::text_encoder;
  static constexpr std::string_view name = "T5";
  static constexpr int tokens = 16;
  static constexpr int width = 2048;
  static constexpr std::string_view vocabulary = "spiece.model"; ///< published beside the weights
  static constexpr auto provides = set_of<TextTokens>;
};

} // namespace d2c
