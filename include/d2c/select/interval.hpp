#pragma once
/// Interval selection: every k-th image of a class, from easy to hard.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/artifact.hpp>
#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/select/candidate.hpp>

namespace d2c {

namespace detail {

/// Positions 0, k, 2k, ..., (m-1)k of a class sorted from easy to hard (the paper's set {0, k, 2k,
/// ...}, truncated at the budget m). k = 0 asks for the rule round(0.7 n / m), close to all three
/// intervals the paper names. In a class too small for k, k shrinks to (n-1) / (m-1) with a note.
inline std::vector<std::size_t> interval_positions(std::span<const Candidate> sorted,
                                                   const SelectionRequest& request,
                                                   std::int64_t k) {
  const auto n = static_cast<std::int64_t>(sorted.size());
  const std::int64_t m = request.budget;
  if (k <= 0) {
    const double rule = std::round(0.7 * static_cast<double>(n) / static_cast<double>(m));
    k = std::max<std::int64_t>(1, static_cast<std::int64_t>(rule));
  }
  // As a quotient: the product (m-1)k of a huge interval would wrap around.
  if (m > 1 && k > (n - 1) / (m - 1)) {
    const std::int64_t shrunk = (n - 1) / (m - 1);
    request.note("class \"" + std::string(request.class_name) + "\" has " + std::to_string(n) +
                 " images: interval " + std::to_string(k) + " shrinks to " +
                 std::to_string(shrunk) + " to keep " + std::to_string(m));
    k = shrunk;
  }
  std::vector<std::size_t> positions;
  positions.reserve(static_cast<std::size_t>(m));
  for (std::int64_t i = 0; i < m; ++i) {
    positions.push_back(static_cast<std::size_t>(i * k));
  }
  return positions;
}

} // namespace detail

/// Interval<k> keeps ranks 0, k, 2k, ... of a class sorted by ascending score; Interval<> takes k
/// from [select] interval. Selector policy of role selection.
template <int K = 0>
struct Interval {
  using role = roles::selection;
  static constexpr auto text = "Interval<" + decimal<K>() + ">";
  static constexpr std::string_view name = text;
  static constexpr int interval = K;
  static constexpr auto needs = set_of<Scores>;
  static constexpr bool uses_seed = false;
  static constexpr std::array<std::string_view, 1> unread_keys = {"select.seed_offset"};
  static constexpr std::array<std::string_view, 1> fixed_keys = {"select.interval"};

  [[nodiscard]] std::vector<std::size_t> select(std::span<const Candidate> sorted,
                                                const SelectionRequest& request) const {
    return detail::interval_positions(sorted, request, K);
  }
};

template <>
struct Interval<0> {
  using role = roles::selection;
  static constexpr std::string_view name = "Interval<>";
  static constexpr int interval = 0;
  static constexpr auto needs = set_of<Scores>;
  static constexpr bool uses_seed = false;
  static constexpr std::array<std::string_view, 1> unread_keys = {"select.seed_offset"};

  [[nodiscard]] std::vector<std::size_t> select(std::span<const Candidate> sorted,
                                                const SelectionRequest& request) const {
    return detail::interval_positions(sorted, request, request.interval);
  }
};

} // namespace d2c
