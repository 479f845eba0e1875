#pragma once
/// Selection of the easiest or the hardest images of a class.

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

/// The lowest scores of every class. Selector policy of role selection.
struct Min {
  using role = roles::selection;
  static constexpr std::string_view name = "Min";
  static constexpr bool uses_seed = false;
  static constexpr std::array<std::string_view, 2> unread_keys = {"select.interval",
                                                                  "select.seed_offset"};
  static constexpr auto needs = set_of<Scores>;

  [[nodiscard]] std::vector<std::size_t> select(std::span<const Candidate>,
                                                const SelectionRequest& request) const {
    std::vector<std::size_t> positions(static_cast<std::size_t>(request.budget));
    std::iota(positions.begin(), positions.end(), std::size_t{0});
    return positions;
  }
};

/// The highest scores of every class. Selector policy of role selection.
struct Max {
  using role = roles::selection;
  static constexpr std::string_view name = "Max";
  static constexpr bool uses_seed = false;
  static constexpr std::array<std::string_view, 2> unread_keys = {"select.interval",
                                                                  "select.seed_offset"};
  static constexpr auto needs = set_of<Scores>;

  [[nodiscard]] std::vector<std::size_t> select(std::span<const Candidate> sorted,
                                                const SelectionRequest& request) const {
    std::vector<std::size_t> positions(static_cast<std::size_t>(request.budget));
    std::iota(positions.begin(), positions.end(), sorted.size() - positions.size());
    return positions;
  }
};

} // namespace d2c
