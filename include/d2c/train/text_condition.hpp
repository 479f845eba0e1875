#pragma once
/// Conditioning on the text of the class alone, as a type.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// The text branch of the dual conditional embedding without its class vector. Trainer policy of
/// role conditioner.
struct TextCondition {
  using role = roles::conditioner;
  static constexpr std::string_view name = "TextCondition";
  static constexpr bool uses_class = false;
  static constexpr bool uses_text = true;
  static constexpr auto needs = set_of<TextTokens>;
};

} // namespace d2c
