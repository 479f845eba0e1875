#pragma once
/// Heun's method on the probability flow of a velocity model.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/euler.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/diffusion/time_grid.hpp>

namespace d2c {

/// Second order, deterministic: the trapezoid of the velocities at both ends of a step, the far one
/// at Euler's guess. The last step is Euler's, so that the network is not asked at t = 0: 2 N - 1
/// network calls for N steps (as REPA's ODE sampler).
struct Heun {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "Heun";
  static constexpr std::string_view prediction = "velocity";

  /// Empty, or what is wrong with the options.
  [[nodiscard]] static std::string refusal(const SamplingOptions& options) {
    return options.steps < 1 ? "Heun needs at least 1 step, found " + std::to_string(options.steps)
                             : Euler::refusal(options);
  }

  /// Takes noise x at t = 1 to data at t = 0; see SamplingPolicy.
  template <class T, class Denoise, class Noise>
  [[nodiscard]] static T sample(T x, const SamplingOptions& options, Denoise&& denoise,
                                Noise&& /*noise*/) {
    const std::vector<double> t = time_grid(options);
    for (std::size_t i = 0; i + 1 < t.size(); ++i) {
      const double step = t[i + 1] - t[i];
      const T here = denoise(x, t[i]).prediction;
      const T guess = x + here * step;
      if (i + 2 == t.size()) {
        x = guess;
      } else {
        const T there = denoise(guess, t[i + 1]).prediction;
        x = x + (here + there) * (0.5 * step);
      }
    }
    return x;
  }
};

} // namespace d2c
