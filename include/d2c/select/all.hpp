#pragma once
/// Selection of everything: the full data set as an arm of a comparison.

#include <array>
#include <cstddef>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/select/candidate.hpp>

namespace d2c {

/// Keeps every image of every class, whatever the size of the class; [select] per_class is for
/// the other arms of a study. Selector policy of role selection.
struct All {
  using role = roles::selection;
  static constexpr std::string_view name = "All";
  static constexpr bool whole_class = true;
  static constexpr bool uses_seed = false;
  static constexpr std::array<std::string_view, 3> unread_keys = {
      "select.per_class", "select.interval", "select.seed_offset"};

  [[nodiscard]] std::vector<std::size_t> select(std::span<const Candidate> candidates,
                                                const SelectionRequest&) const {
    std::vector<std::size_t> positions(candidates.size());
    std::iota(positions.begin(), positions.end(), std::size_t{0});
    return positions;
  }
};

} // namespace d2c
