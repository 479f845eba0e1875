#pragma once
/// Learning-rate schedules as a factor of the base rate. Torch-free, a pure function of the step,
/// so that a resumed run needs no schedule state.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>

#include <d2c/core/error.hpp>

namespace d2c {

/// How the rate goes on after the warm-up.
enum class Schedule { constant, cosine };

/// Reads the value of `train.schedule`. Throws InputError for any other word.
inline Schedule parse_schedule(const std::string& word) {
  if (word == "constant") {
    return Schedule::constant;
  }
  if (word == "cosine") {
    return Schedule::cosine;
  }
  throw InputError("train.schedule must be \"constant\" or \"cosine\", found \"" + word + "\"");
}

/// Factor of the base rate for update `step` = 0 .. steps-1, in (0, 1]. Update i of the warm-up
/// runs at (i + 1) / warmup. Afterwards: 1 (constant), or half a cosine from 1 at the first update
/// after the warm-up down to `final_factor` at the last one.
inline double learning_rate_factor(Schedule schedule, std::int64_t step, std::int64_t steps,
                                   std::int64_t warmup, double final_factor) {
  if (step < warmup) {
    return static_cast<double>(step + 1) / static_cast<double>(warmup);
  }
  if (schedule == Schedule::constant) {
    return 1.0;
  }
  const auto span = static_cast<double>(std::max<std::int64_t>(1, steps - 1 - warmup));
  const double way = std::min(1.0, static_cast<double>(step - warmup) / span);
  return final_factor + (1.0 - final_factor) * 0.5 * (1.0 + std::cos(std::numbers::pi * way));
}

} // namespace d2c
