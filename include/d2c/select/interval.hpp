#pragma once
/// Interval selection: every k-th image of a class, from easy to hard.

#include <array>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// Interval<k> keeps ranks 0, k, 2k, ... of a class sorted by ascending score; Interval<> takes k
/// from [select] interval. Selector policy of role selection.
template <int K = 0>
struct Interval {
  using role = roles::selection;
  static constexpr auto text = "Interval<" + decimal<K>() + ">";
  static constexpr std::string_view name = text;
  static constexpr int interval = K;
  static constexpr auto needs = set_of<Scores>;
  static constexpr std::array<std::string_view, 1> fixed_keys = {"select.interval"};
};

template <>
struct Interval<0> {
  using role = roles::selection;
  static constexpr std::string_view name = "Interval<>";
  static constexpr int interval = 0;
  static constexpr auto needs = set_of<Scores>;
};

} // namespace d2c
