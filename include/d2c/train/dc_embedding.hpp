#pragma once
/// The dual conditional embedding as a type.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// Text tokens through a strided convolution and a residual MLP, plus a learned vector per class
/// (Eq. 8 and 9). Trainer policy of role conditioner.
struct DCEmbedding {
  using role = roles::conditioner;
  static constexpr std::string_view name = "DCEmbedding";
  static constexpr bool uses_class = true;
  static constexpr bool uses_text = true;
  static constexpr auto needs = set_of<TextTokens>;
};

} // namespace d2c
