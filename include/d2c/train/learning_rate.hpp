#pragma once
/// Learning-rate schedules as a factor of the base rate. Torch-free, a pure function of the step,
/// so that a resumed run needs no schedule state.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>
#include <utility>

#include <d2c/core/error.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// How the rate goes on after the warm-up.
enum class Schedule { constant, cosine, linear, step, exponential };

/// Their names in the configuration.
inline constexpr std::array<std::pair<std::string_view, Schedule>, 5> schedule_names = {
    {{"constant", Schedule::constant},
     {"cosine", Schedule::cosine},
     {"linear", Schedule::linear},
     {"step", Schedule::step},
     {"exponential", Schedule::exponential}}};

/// What `train.schedule` may be, for messages.
inline constexpr const char* schedule_words =
    "\"constant\", \"cosine\", \"linear\", \"step\" or \"exponential\"";

/// Reads the value of `train.schedule`. Throws InputError for any other word.
inline Schedule parse_schedule(std::string_view word) {
  for (const auto& [name, schedule] : schedule_names) {
    if (name == word) {
      return schedule;
    }
  }
  throw InputError("train.schedule: expected " + std::string(schedule_words) + ", found \"" +
                   std::string(word) + "\"");
}

/// A schedule with its numbers.
struct RateSchedule {
  Schedule kind = Schedule::constant;
  std::int64_t steps = 1;       ///< updates of the run
  std::int64_t warmup = 0;      ///< of which warm up
  double final_factor = 0;      ///< cosine, linear: factor of the last update
  std::int64_t decay_every = 1; ///< step, exponential: updates per decay
  double decay_factor = 1;      ///< step, exponential: factor of one decay
};

/// The schedule that [train] asks for. Throws InputError for an unknown word.
inline RateSchedule rate_schedule(const TrainConfig& config) {
  return {.kind = parse_schedule(config.schedule),
          .steps = config.steps,
          .warmup = config.warmup,
          .final_factor = config.final_factor,
          .decay_every = config.decay_every,
          .decay_factor = config.decay_factor};
}

/// Factor of the base rate for update `step` = 0 .. steps-1. Update i of the warm-up runs at
/// (i + 1) / warmup. Afterwards, counted from the first update behind the warm-up: 1 (constant);
/// half a cosine or a line from 1 down to `final_factor` at the last update (torch's
/// CosineAnnealingLR, LinearLR); decay_factor per decay_every whole updates (StepLR), or the same
/// rate without jumps (ExponentialLR with decay_factor^(1 / decay_every)).
inline double learning_rate_factor(const RateSchedule& schedule, std::int64_t step) {
  if (step < schedule.warmup) {
    return static_cast<double>(step + 1) / static_cast<double>(schedule.warmup);
  }
  const std::int64_t after = step - schedule.warmup;
  const auto span =
      static_cast<double>(std::max<std::int64_t>(1, schedule.steps - 1 - schedule.warmup));
  const double way = std::min(1.0, static_cast<double>(after) / span);
  const double rest = 1.0 - schedule.final_factor;
  switch (schedule.kind) {
  case Schedule::constant:
    break;
  case Schedule::cosine:
    return schedule.final_factor + rest * 0.5 * (1.0 + std::cos(std::numbers::pi * way));
  case Schedule::linear:
    return 1.0 - rest * way;
  case Schedule::step: {
    const std::int64_t decays = after / schedule.decay_every;
    return std::pow(schedule.decay_factor, static_cast<double>(decays));
  }
  case Schedule::exponential:
    return std::pow(schedule.decay_factor,
                    static_cast<double>(after) / static_cast<double>(schedule.decay_every));
  }
  return 1.0;
}

} // namespace d2c
