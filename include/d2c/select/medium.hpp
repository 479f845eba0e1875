#pragma once
/// Selection of the images in the middle of a class.

#include <array>
#include <cstddef>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/select/candidate.hpp>

namespace d2c {

/// The scores around the median of every class. Selector policy of role selection.
struct Medium {
  using role = roles::selection;
  static constexpr std::string_view name = "Medium";
  static constexpr bool uses_seed = false;
  static constexpr std::array<std::string_view, 2> unread_keys = {"select.interval",
                                                                  "select.seed_offset"};
  static constexpr auto needs = set_of<Scores>;

  /// The m middle ranks; where they cannot lie evenly around the median, the easier side has one
  /// more.
  [[nodiscard]] std::vector<std::size_t> select(std::span<const Candidate> sorted,
                                                const SelectionRequest& request) const {
    std::vector<std::size_t> positions(static_cast<std::size_t>(request.budget));
    std::iota(positions.begin(), positions.end(), (sorted.size() - positions.size()) / 2);
    return positions;
  }
};

} // namespace d2c
