#pragma once
/// One column of the loss matrix: a time and the noise that every image is evaluated with.

#include <cstdint>
#include <cstdio>
#include <string>

#include <d2c/core/rng.hpp>

namespace d2c {

/// Describes one network evaluation per image completely, so that any shard on any machine
/// regenerates the same noise, and a column computed once never has to be computed again.
struct ScoreColumn {
  double time = 0.5;        ///< u in (0, 1); the objective turns it into its network time
  std::uint64_t seed = 0;   ///< of the noise
  std::uint32_t bank = 0;   ///< which noise of the seed: the `step` of the draw
  int sign = 1;             ///< +1, or -1 for the antithetic partner of the same noise
  bool shared_noise = true; ///< one noise for all images, or one for each

  /// The noise of image `sample` (its index in the split): image 0's for all if shared.
  [[nodiscard]] Draw noise(std::uint32_t sample) const {
    return {.seed = seed,
            .stream = Stream::score_noise,
            .step = bank,
            .sample = shared_noise ? 0 : sample};
  }

  /// One line that identifies the column, for file headers and messages.
  [[nodiscard]] std::string text() const {
    char number[32];
    std::snprintf(number, sizeof number, "%.17g", time);
    return std::string("time=") + number + " seed=" + std::to_string(seed) +
           " bank=" + std::to_string(bank) + " sign=" + (sign < 0 ? "-1" : "+1") +
           " noise=" + (shared_noise ? "shared" : "own");
  }

  /// Whether `other` is the same evaluation but perhaps for the sign of the noise.
  [[nodiscard]] bool pairs_with(const ScoreColumn& other) const {
    return time == other.time && seed == other.seed && bank == other.bank &&
           shared_noise == other.shared_noise;
  }

  friend bool operator==(const ScoreColumn&, const ScoreColumn&) = default;
};

} // namespace d2c
