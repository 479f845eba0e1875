#pragma once
/// The paper's own score estimator, to the letter.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/problem.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/score/score_column.hpp>
#include <d2c/score/score_config.hpp>

namespace d2c {

/// Algorithm 2: a set of J times drawn uniformly once and shared by all images (lines 0 and 5),
/// fresh noise for each image and time (line 6). Unbiased for the loss of Eq. 7 under uniform t,
/// but the noise of two images does not cancel in their comparison. With `timesteps` set, those
/// times are used, each with J / |T| fresh noises.
struct Algorithm2 {
  using role = roles::estimator;
  static constexpr std::string_view name = "Algorithm2";

  /// Adds a problem if `columns` cannot be laid out; the place is the key's name.
  static void check(const ScoreConfig& config, Problems& problems) {
    const auto times = static_cast<std::int64_t>(config.timesteps.size());
    if (config.columns < 1) {
      problems.add("score.columns",
                   "expected a positive number, found " + std::to_string(config.columns));
    } else if (times != 0 && config.columns % times != 0) {
      problems.add("score.columns", "expected a multiple of " + std::to_string(times) +
                                        " (the number of score.timesteps), found " +
                                        std::to_string(config.columns));
    }
  }

  /// The columns; those of J are the first of any larger number. InputError if the configuration
  /// does not fit (see check).
  [[nodiscard]] static std::vector<ScoreColumn> columns(const ScoreConfig& config,
                                                        std::uint64_t seed) {
    Problems problems;
    check(config, problems);
    problems.raise();
    std::vector<ScoreColumn> list;
    for (std::uint32_t j = 0; j < static_cast<std::uint32_t>(config.columns); ++j) {
      const double time =
          config.timesteps.empty()
              ? uniform({.seed = seed, .stream = Stream::score_time, .step = 0, .sample = j})
              : config.timesteps[j % config.timesteps.size()];
      list.push_back({.time = time, .seed = seed, .bank = j, .sign = 1, .shared_noise = false});
    }
    return list;
  }
};

} // namespace d2c
