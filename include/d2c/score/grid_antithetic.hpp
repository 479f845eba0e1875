#pragma once
/// The default score estimator: a shared grid of times with shared antithetic noise.

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/problem.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/score/score_column.hpp>
#include <d2c/score/score_config.hpp>

namespace d2c {

/// J columns: J/2 times (q + 0.5) / (J/2), each with +eps_q and -eps_q, the same for all images.
/// Common random numbers cancel what does not depend on the image, the antithetic pair cancels what
/// is odd in eps; together they rank a Gaussian world exactly. Estimates the loss of Eq. 7 under
/// uniform t. With `timesteps` set, those times are used, each with J / (2 |T|) noises.
struct GridAntithetic {
  using role = roles::estimator;
  static constexpr std::string_view name = "GridAntithetic";

  /// Adds a problem if `columns` cannot be laid out; the place is the key's name.
  static void check(const ScoreConfig& config, Problems& problems) {
    const auto times = static_cast<std::int64_t>(config.timesteps.size());
    if (config.columns < 2 || config.columns % 2 != 0) {
      problems.add("score.columns", "expected an even number of at least 2 for antithetic pairs, "
                                    "found " +
                                        std::to_string(config.columns));
    } else if (times != 0 && config.columns % (2 * times) != 0) {
      problems.add("score.columns", "expected a multiple of " + std::to_string(2 * times) +
                                        " (a pair for each of the " + std::to_string(times) +
                                        " score.timesteps), found " +
                                        std::to_string(config.columns));
    }
  }

  /// The columns, pairs side by side. A noise is keyed by its time, so the columns of J are among
  /// those of 3 J. InputError if the configuration does not fit (see check).
  [[nodiscard]] static std::vector<ScoreColumn> columns(const ScoreConfig& config,
                                                        std::uint64_t seed) {
    Problems problems;
    check(config, problems);
    problems.raise();
    std::vector<double> times = config.timesteps;
    if (times.empty()) {
      const std::int64_t pairs = config.columns / 2;
      for (std::int64_t q = 0; q < pairs; ++q) {
        times.push_back((static_cast<double>(q) + 0.5) / static_cast<double>(pairs));
      }
    }
    const std::int64_t repeats = config.columns / (2 * static_cast<std::int64_t>(times.size()));
    std::vector<ScoreColumn> list;
    for (const double time : times) {
      for (std::int64_t repeat = 0; repeat < repeats; ++repeat) {
        const auto bank = static_cast<std::uint32_t>(
            (static_cast<std::int64_t>(std::nearbyint(time * 0x1p20)) << 11) + repeat);
        for (const int sign : {1, -1}) {
          list.push_back(
              {.time = time, .seed = seed, .bank = bank, .sign = sign, .shared_noise = true});
        }
      }
    }
    return list;
  }
};

} // namespace d2c
