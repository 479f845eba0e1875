#pragma once
/// How the weight of the alignment loss changes over a training run. Torch-free, a pure function of
/// the step.

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <string_view>

#include <d2c/core/error.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// From full weight until it ends.
enum class AlignDecay { none, linear, cosine };

/// Reads the value of `train.align_schedule`: "constant", "linear" or "cosine". Throws InputError
/// for any other word.
inline AlignDecay parse_align_decay(std::string_view word) {
  if (word == "constant") {
    return AlignDecay::none;
  }
  if (word == "linear") {
    return AlignDecay::linear;
  }
  if (word == "cosine") {
    return AlignDecay::cosine;
  }
  throw InputError("train.align_schedule: expected \"constant\", \"linear\" or \"cosine\", found "
                   "\"" +
                   std::string(word) + "\"");
}

/// Factor of align_weight at update `step` = 0, 1, ...: 0 from update `stop` on (alignment helps
/// early and hinders late: Wang et al. 2025, HASTE); until then 1, or a line or half a cosine from
/// 1 at the first update down to 0 at `stop`. `stop` 0: never, a decay then ends with the run.
inline double align_factor(AlignDecay decay, std::int64_t step, std::int64_t stop,
                           std::int64_t steps) {
  const std::int64_t end = stop > 0 ? stop : steps;
  if (stop > 0 && step >= stop) {
    return 0.0;
  }
  const double way = static_cast<double>(step) / static_cast<double>(end);
  switch (decay) {
  case AlignDecay::linear:
    return 1.0 - way;
  case AlignDecay::cosine:
    return 0.5 * (1.0 + std::cos(std::numbers::pi * way));
  case AlignDecay::none:
    break;
  }
  return 1.0;
}

} // namespace d2c
