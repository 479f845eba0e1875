#pragma once
/// Random selection.

#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// A uniform draw without replacement from every class. Selector policy of role selection.
struct Random {
  using role = roles::selection;
  static constexpr std::string_view name = "Random";
};

} // namespace d2c
