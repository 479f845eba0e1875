#pragma once
/// Random selection.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include <d2c/core/rng.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/select/candidate.hpp>

namespace d2c {

/// A uniform draw without replacement from every class. Selector policy of role selection. Each
/// image's lot depends on (seed, class, its id) alone, so the order of the data set has no say, a
/// smaller budget keeps a prefix, and images added later leave the lots of the others as they are.
struct Random {
  using role = roles::selection;
  static constexpr std::string_view name = "Random";
  static constexpr std::array<std::string_view, 1> unread_keys = {"select.interval"};

  /// Positions in the order of drawing.
  [[nodiscard]] std::vector<std::size_t> select(std::span<const Candidate> candidates,
                                                const SelectionRequest& request) const {
    struct Lot {
      std::uint64_t number;
      std::string_view id;
      std::size_t position;
    };

    std::vector<Lot> lots;
    lots.reserve(candidates.size());
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      const std::uint64_t hash = fnv1a(candidates[i].id);
      const Draw draw{.seed = request.seed,
                      .stream = Stream::selection,
                      .step = static_cast<std::uint32_t>(request.label),
                      .sample = static_cast<std::uint32_t>(hash)};
      const auto words = draw.words(static_cast<std::uint32_t>(hash >> 32));
      lots.push_back({std::uint64_t{words[0]} << 32 | words[1], candidates[i].id, i});
    }
    std::sort(lots.begin(), lots.end(), [](const Lot& a, const Lot& b) {
      return std::tie(a.number, a.id) < std::tie(b.number, b.id);
    });
    std::vector<std::size_t> positions;
    for (std::int64_t i = 0; i < request.budget; ++i) {
      positions.push_back(lots[static_cast<std::size_t>(i)].position);
    }
    return positions;
  }

private:
  /// FNV-1a, 64 bits: the same number on every machine, unlike std::hash.
  static constexpr std::uint64_t fnv1a(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char c : text) {
      hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    }
    return hash;
  }
};

} // namespace d2c
