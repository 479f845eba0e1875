#pragma once
/// Conditioning on the class label alone, as a type.

#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// A learned vector per class, as in DiT and SiT. Trainer policy of role conditioner.
struct ClassCondition {
  using role = roles::conditioner;
  static constexpr std::string_view name = "ClassCondition";
  static constexpr bool uses_class = true;
  static constexpr bool uses_text = false;
};

} // namespace d2c
