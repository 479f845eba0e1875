#pragma once
/// Heun's method on the reverse SDE of a continuous path.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/euler_maruyama.hpp>
#include <d2c/diffusion/option_refusal.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/reverse_sde.hpp>
#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// SiT's "Heun": a step adds its noise first, then takes the trapezoid of the drift. Steps, options
/// and last step as EulerMaruyama; without a last step, the step that ends at data is Euler's, so
/// that the network is not asked there. Weak order 1, second order for the drift. 2 N - 1 network
/// calls for N steps.
struct SdeHeun {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "SdeHeun";
  static constexpr auto keys = EulerMaruyama::keys;

  [[nodiscard]] static constexpr bool accepts(const Parametrisation& parametrisation) {
    return !is_discrete(parametrisation.path);
  }

  /// Empty, or what is wrong with the options or the denoiser.
  [[nodiscard]] static std::string refusal(const SamplingOptions& options,
                                           const Parametrisation& parametrisation) {
    return refuse_reverse_sde(name, options, parametrisation);
  }

  /// Takes noise x to data; see SamplingPolicy. `noise` is asked for steps 0, 1, ... of the noisy
  /// ones.
  template <class T, class Field, class Noise>
  [[nodiscard]] static T sample(T x, const SamplingOptions& options, Field&& field, Noise&& noise) {
    const ReverseSde sde(options, field);
    const std::vector<double> t = sde.times();
    for (std::size_t i = 0; i + 1 < t.size(); ++i) {
      const double step = t[i + 1] - t[i];
      const T noisy = x + noise(static_cast<std::uint32_t>(i)) * sde.spread(t[i], step);
      const T here = sde.drift(noisy, t[i]);
      const T guess = noisy + here * step;
      const bool at_data = options.last_step == LastStep::none && i + 2 == t.size();
      x = at_data ? guess : noisy + (here + sde.drift(guess, t[i + 1])) * (0.5 * step);
    }
    return sde.finish(x, t.back());
  }
};

} // namespace d2c
