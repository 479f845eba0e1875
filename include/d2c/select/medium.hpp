#pragma once
/// Selection of the images in the middle of a class.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// The scores around the median of every class. Selector policy of role selection.
struct Medium {
  using role = roles::selection;
  static constexpr std::string_view name = "Medium";
  static constexpr auto needs = set_of<Scores>;
};

} // namespace d2c
