#pragma once
/// Budgets: how many images of a class are kept.

#include <array>
#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// PerClass<M> keeps M images of every class, PerClass<> as many as [select] per_class says.
/// Selector policy of role budget.
template <int Count = 0>
struct PerClass {
  using role = roles::budget;
  static constexpr auto text = "PerClass<" + decimal<Count>() + ">";
  static constexpr std::string_view name = text;
  static constexpr int per_class = Count;
  static constexpr std::array<std::string_view, 1> fixed_keys = {"select.per_class"};
};

template <>
struct PerClass<0> {
  using role = roles::budget;
  static constexpr std::string_view name = "PerClass<>";
  static constexpr int per_class = 0;
};

} // namespace d2c
