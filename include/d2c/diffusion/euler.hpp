#pragma once
/// Euler's method on the probability flow of a continuous path.

#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/diffusion/time_grid.hpp>
#include <d2c/diffusion/time_range.hpp>

namespace d2c {

/// First order, deterministic, one network call per step: x <- x + (t_{i+1} - t_i) v(x, t_i).
struct Euler {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "Euler";

  [[nodiscard]] static constexpr bool accepts(const Parametrisation& parametrisation) {
    return !is_discrete(parametrisation.path);
  }

  /// Empty, or what is wrong with the options or the denoiser.
  [[nodiscard]] static std::string refusal(const SamplingOptions& options,
                                           const Parametrisation& parametrisation) {
    if (options.steps < 1) {
      return "Euler needs at least 1 step, found " + std::to_string(options.steps);
    }
    if (!accepts(parametrisation)) {
      return "Euler needs a denoiser of a continuous path, found one of a DDPM schedule";
    }
    if (!std::isfinite(options.time_shift) || options.time_shift <= 0) {
      return "the time shift must be a positive number, found " +
             std::to_string(options.time_shift);
    }
    return {};
  }

  /// Takes noise x to data between the ends of time_range; see SamplingPolicy.
  template <class T, class Field, class Noise>
  [[nodiscard]] static T sample(T x, const SamplingOptions& options, Field&& field,
                                Noise&& /*noise*/) {
    const TimeRange range = time_range(field.parametrisation());
    const std::vector<double> t = time_grid(options, range.noise, range.data, options.steps);
    for (std::size_t i = 0; i + 1 < t.size(); ++i) {
      x = x + field.velocity(x, t[i]) * (t[i + 1] - t[i]);
    }
    return x;
  }
};

} // namespace d2c
