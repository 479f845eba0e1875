#pragma once
/// The time grid of the solvers with fixed steps.

#include <cstddef>
#include <vector>

#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// steps + 1 times between the two ends: evenly spaced, then shifted by t' = s t / (1 + (s - 1) t)
/// on the unit interval from `data` to `noise`, which leaves both ends where they are (Esser et al.
/// 2024, eq. 23; LightningDiT uses the same with time reversed). Falling.
[[nodiscard]] inline std::vector<double> time_grid(const SamplingOptions& options, double noise,
                                                   double data, int steps) {
  std::vector<double> grid;
  grid.reserve(static_cast<std::size_t>(steps) + 1);
  for (int i = 0; i <= steps; ++i) {
    const double t = 1 - static_cast<double>(i) / steps;
    const double s = options.time_shift;
    grid.push_back(data + (noise - data) * (s * t / (1 + (s - 1) * t)));
  }
  return grid;
}

/// The grid of all steps from 1 (noise) to 0 (data).
[[nodiscard]] inline std::vector<double> time_grid(const SamplingOptions& options) {
  return time_grid(options, 1, 0, options.steps);
}

} // namespace d2c
