#pragma once
/// The time grid of the deterministic solvers.

#include <cstddef>
#include <vector>

#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// steps + 1 times from 1 (noise) to 0 (data): evenly spaced, then shifted by
/// t' = s t / (1 + (s - 1) t), which leaves both ends where they are (Esser et al. 2024, eq. 23;
/// LightningDiT uses the same with time reversed).
[[nodiscard]] inline std::vector<double> time_grid(const SamplingOptions& options) {
  std::vector<double> grid;
  grid.reserve(static_cast<std::size_t>(options.steps) + 1);
  for (int i = 0; i <= options.steps; ++i) {
    const double t = 1 - static_cast<double>(i) / options.steps;
    const double s = options.time_shift;
    grid.push_back(s * t / (1 + (s - 1) * t));
  }
  return grid;
}

} // namespace d2c
