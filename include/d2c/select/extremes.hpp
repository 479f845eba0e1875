#pragma once
/// Selection of the easiest or the hardest images of a class.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// The lowest scores of every class. Selector policy of role selection.
struct Min {
  using role = roles::selection;
  static constexpr std::string_view name = "Min";
  static constexpr auto needs = set_of<Scores>;
};

/// The highest scores of every class. Selector policy of role selection.
struct Max {
  using role = roles::selection;
  static constexpr std::string_view name = "Max";
  static constexpr auto needs = set_of<Scores>;
};

} // namespace d2c
