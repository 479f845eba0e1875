#pragma once
/// The Euler-Maruyama method on the reverse SDE of the linear path.

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// REPA's sampler: diffusion w(t) = 2 t, times evenly from 1 to 0.04 with noise, then one step from
/// 0.04 to 0 without. With the score -((1 - t) v + x) / t of the linear path the drift v - t score
/// is (2 - t) v + x, which has no singularity. One network call per step.
struct EulerMaruyama {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "EulerMaruyama";
  static constexpr double last_time = 0.04;

  [[nodiscard]] static constexpr bool accepts(const Parametrisation& parametrisation) {
    return parametrisation.path == PathKind::linear;
  }

  /// Empty, or what is wrong with the options or the denoiser.
  [[nodiscard]] static std::string refusal(const SamplingOptions& options,
                                           const Parametrisation& parametrisation) {
    if (!accepts(parametrisation)) {
      return "EulerMaruyama needs a denoiser of the path \"linear\", found one of \"" +
             std::string(option_name(parametrisation.path)) + "\"";
    }
    if (options.steps < 2) {
      return "EulerMaruyama needs at least 2 steps, found " + std::to_string(options.steps);
    }
    if (options.time_shift != 1) {
      return "EulerMaruyama has a fixed time grid, so the time shift must be 1, found " +
             std::to_string(options.time_shift);
    }
    return {};
  }

  /// Takes noise x at t = 1 to data at t = 0; see SamplingPolicy. `noise` is asked for steps
  /// 0 .. N-2.
  template <class T, class Field, class Noise>
  [[nodiscard]] static T sample(T x, const SamplingOptions& options, Field&& field, Noise&& noise) {
    const int noisy = options.steps - 1;
    double t = 1;
    for (int i = 0; i <= noisy; ++i) {
      const double next = i == noisy ? 0 : 1 + (last_time - 1) * (i + 1) / noisy;
      const T drift = field.velocity(x, t) * (2 - t) + x;
      x = x + drift * (next - t);
      if (i != noisy) {
        x = x + noise(static_cast<std::uint32_t>(i)) * std::sqrt(2 * t * (t - next));
      }
      t = next;
    }
    return x;
  }
};

} // namespace d2c
