#pragma once

/// What a sampling method may be told.

namespace d2c {

/// Steps of the solver and the shift of its time grid.
struct SamplingOptions {
  int steps = 50;
  double time_shift = 1.0; ///< s in t' = s t / (1 + (s - 1) t); above 1: more steps at high noise
};

} // namespace d2c
