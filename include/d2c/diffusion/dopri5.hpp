#pragma once
/// The adaptive Dormand-Prince method on the probability flow of a continuous path.

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/dopri5_integrator.hpp>
#include <d2c/diffusion/option_refusal.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/diffusion/time_range.hpp>

namespace d2c {

/// dx/dt = v(x, t) from noise to data with steps that meet `rtol` and `atol`; fifth order,
/// deterministic, six network calls a step and two to begin with. `step_control` says whether every
/// sample has its own steps or the batch shares them as torchdiffeq has it, which the published SiT
/// numbers need. Chooses its own steps: `steps` is not read.
struct Dopri5 {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "Dopri5";
  static constexpr bool adaptive = true;
  static constexpr std::array<std::string_view, 3> keys{"rtol", "atol", "step_control"};

  [[nodiscard]] static constexpr bool accepts(const Parametrisation& parametrisation) {
    return !is_discrete(parametrisation.path);
  }

  /// Empty, or what is wrong with the options or the denoiser.
  [[nodiscard]] static std::string refusal(const SamplingOptions& options,
                                           const Parametrisation& parametrisation) {
    for (const double tolerance : {options.rtol, options.atol}) {
      if (!std::isfinite(tolerance) || tolerance < 0) {
        return "a tolerance must be zero or a positive number, found " + std::to_string(tolerance);
      }
    }
    if (options.rtol == 0 && options.atol == 0) {
      return "Dopri5 needs a positive tolerance, found 0 for both";
    }
    if (options.time_shift != 1) {
      return "Dopri5 chooses its own times, so the time shift must be 1, found " +
             std::to_string(options.time_shift);
    }
    return refuse_schedule(name, parametrisation);
  }

  /// Takes noise x to data; see SamplingPolicy. The field is asked for rows at times of their own.
  template <class T, class Field, class Noise>
  [[nodiscard]] static T sample(T x, const SamplingOptions& options, Field&& field,
                                Noise&& /*noise*/) {
    const TimeRange range = time_range(field.parametrisation());
    Dopri5Integrator<T> integrator(
        {.rtol = options.rtol, .atol = options.atol, .control = options.step_control});
    return integrator.integrate(
        std::move(x), range.noise, range.data,
        [&](const T& state, const std::vector<double>& times,
            const std::vector<std::int64_t>& rows) { return field.velocity(state, times, rows); });
  }
};

} // namespace d2c
