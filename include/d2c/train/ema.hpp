#pragma once
/// The decay of the exponential moving average of the weights. The averaging itself is part of the
/// optimizers' pass over the flat buffers. Torch-free.

#include <algorithm>
#include <cstdint>

namespace d2c {

/// Decay of the average after update `step` = 0, 1, ...: `decay`, or with warm-up
/// min(decay, (1 + i) / (10 + i)), which forgets the random initialisation within a few updates.
/// The average starts as a copy of the weights. Published recipes (DiT, SiT, REPA) use no warm-up
/// and decay 0.9999.
inline double ema_decay(double decay, std::int64_t step, bool warmup) {
  if (!warmup) {
    return decay;
  }
  const auto i = static_cast<double>(step);
  return std::min(decay, (1.0 + i) / (10.0 + i));
}

} // namespace d2c
