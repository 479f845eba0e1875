#pragma once
/// The Euler-Maruyama method on the reverse SDE of a continuous path.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/option_refusal.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/reverse_sde.hpp>
#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// SiT's and REPA's sampler: N - 1 noisy steps from noise to `last_step_size`, then the last step;
/// N noisy steps without a last step. As preset (form sigma, mean last step from 0.04) it is both
/// papers' published setting; REPA writes the same diffusion as w = 2 t with noise sqrt(w). Weak
/// order 1. One network call per step.
struct EulerMaruyama {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "EulerMaruyama";
  static constexpr std::array<std::string_view, 4> keys{"diffusion", "diffusion_norm", "last_step",
                                                        "last_step_size"};

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
      const T drift = sde.drift(x, t[i]);
      x = x + drift * step + noise(static_cast<std::uint32_t>(i)) * sde.spread(t[i], step);
    }
    return sde.finish(x, t.back());
  }
};

} // namespace d2c
