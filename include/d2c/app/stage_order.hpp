#pragma once
/// The kinds of stages in the order in which data passes through them.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace d2c {

inline constexpr std::array<std::string_view, 7> stage_kinds = {
    "source", "score", "select", "attach", "train", "sample", "evaluate"};

/// Position of a kind in stage_kinds; -1 for a kind of the user's own.
constexpr int stage_rank(std::string_view kind) {
  const auto* const found = std::find(stage_kinds.begin(), stage_kinds.end(), kind);
  return found == stage_kinds.end() ? -1 : static_cast<int>(found - stage_kinds.begin());
}

} // namespace d2c
