#pragma once
/// Which of the 1000 training steps of a DDPM schedule a sampler visits.

#include <array>
#include <cmath>
#include <cstddef>
#include <string_view>
#include <vector>

#include <d2c/diffusion/option_name.hpp>

namespace d2c {

/// For N of 1000 steps: `respaced`: DiT's, evenly from 0 to 999 with both, a float64 position
/// accumulated and rounded half to even; `leading`: 0, k, 2 k, ... with k = floor(1000 / N) (DiT's
/// "ddimN" and the DDIM paper's); `trailing`: 999 and downwards in steps of 1000 / N; `linspace`:
/// evenly from 0 to 999, each position rounded by itself. The last three are diffusers' names.
enum class StepSpacing { respaced, leading, trailing, linspace };

template <>
inline constexpr std::array<std::string_view, 4> option_names<StepSpacing>{"respaced", "leading",
                                                                           "trailing", "linspace"};

/// The visited steps, N in all and rising, of `training_steps`. N is from 1 (from 2 for `respaced`
/// and `linspace`) to `training_steps`.
[[nodiscard]] inline std::vector<int> spaced_steps(StepSpacing spacing, int count,
                                                   int training_steps) {
  std::vector<int> steps(static_cast<std::size_t>(count));
  const double stride = static_cast<double>(training_steps - 1) / (count - 1);
  const int whole_stride = training_steps / count;
  double position = 0;
  for (int i = 0; i < count; ++i) {
    double step = 0;
    switch (spacing) {
    case StepSpacing::respaced:
      step = std::nearbyint(position);
      position += stride;
      break;
    case StepSpacing::leading:
      step = i * whole_stride;
      break;
    case StepSpacing::trailing:
      step =
          std::nearbyint(training_steps - (count - 1 - i) * (double(training_steps) / count)) - 1;
      break;
    case StepSpacing::linspace:
      step = std::nearbyint(i * stride);
      break;
    }
    steps[static_cast<std::size_t>(i)] = static_cast<int>(step);
  }
  return steps;
}

} // namespace d2c
