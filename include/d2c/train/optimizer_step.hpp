#pragma once
/// What changes from update to update of an optimizer. Torch-free.

#include <cstdint>

namespace d2c {

/// The numbers of one update.
struct OptimizerStep {
  std::int64_t index = 0;            ///< 0 for the first update
  double learning_rate_factor = 1.0; ///< of every base rate (learning_rate_factor())
  double gradient_scale = 1.0;       ///< clip_factor()
  double ema_decay = 0.9999;         ///< ema_decay()
};

} // namespace d2c
