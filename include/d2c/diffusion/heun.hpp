#pragma once
/// Heun's method on the probability flow of a continuous path.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/euler.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/diffusion/time_grid.hpp>
#include <d2c/diffusion/time_range.hpp>

namespace d2c {

/// Second order, deterministic: the trapezoid of the velocities at both ends of a step, the far one
/// at Euler's guess. The last step is Euler's, so that the network is not asked at the data's end
/// of time_range: 2 N - 1 network calls for N steps (as REPA's ODE sampler).
struct Heun {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "Heun";

  [[nodiscard]] static constexpr bool accepts(const Parametrisation& parametrisation) {
    return Euler::accepts(parametrisation);
  }

  /// Empty, or what is wrong with the options or the denoiser.
  [[nodiscard]] static std::string refusal(const SamplingOptions& options,
                                           const Parametrisation& parametrisation) {
    if (options.steps < 1) {
      return "Heun needs at least 1 step, found " + std::to_string(options.steps);
    }
    if (!accepts(parametrisation)) {
      return "Heun needs a denoiser of a continuous path, found one of a DDPM schedule";
    }
    return Euler::refusal(options, parametrisation);
  }

  /// Takes noise x to data between the ends of time_range; see SamplingPolicy.
  template <class T, class Field, class Noise>
  [[nodiscard]] static T sample(T x, const SamplingOptions& options, Field&& field,
                                Noise&& /*noise*/) {
    const TimeRange range = time_range(field.parametrisation());
    const std::vector<double> t = time_grid(options, range.noise, range.data, options.steps);
    for (std::size_t i = 0; i + 1 < t.size(); ++i) {
      const double step = t[i + 1] - t[i];
      const T here = field.velocity(x, t[i]);
      const T guess = x + here * step;
      if (i + 2 == t.size()) {
        x = guess;
      } else {
        const T there = field.velocity(guess, t[i + 1]);
        x = x + (here + there) * (0.5 * step);
      }
    }
    return x;
  }
};

} // namespace d2c
