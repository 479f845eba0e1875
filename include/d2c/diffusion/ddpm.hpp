#pragma once
/// DDPM's ancestral sampler on a DDPM schedule.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/convert.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// Ancestral sampling on a thinned schedule (DiT's p_sample_loop, no clipping of x_0): the
/// posterior mean of the predicted x_0, plus noise with the learned-range variance, or with the
/// posterior's variance if the network has no variance head. The network is told the original index
/// 0 .. 999. One network call per step.
struct DDPM {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "DDPM";

  [[nodiscard]] static constexpr bool accepts(const Parametrisation& parametrisation) {
    return is_discrete(parametrisation.path);
  }

  /// Empty, or what is wrong with the options or the denoiser.
  [[nodiscard]] static std::string refusal(const SamplingOptions& options,
                                           const Parametrisation& parametrisation) {
    if (!accepts(parametrisation)) {
      return "DDPM needs a denoiser of a DDPM schedule, found one of the path \"" +
             std::string(option_name(parametrisation.path)) + "\"";
    }
    if (options.steps < 2 || options.steps > DdpmSchedule::training_steps) {
      return "DDPM needs 2 to " + std::to_string(DdpmSchedule::training_steps) + " steps, found " +
             std::to_string(options.steps);
    }
    if (options.time_shift != 1) {
      return "DDPM has a fixed time grid, so the time shift must be 1, found " +
             std::to_string(options.time_shift);
    }
    return {};
  }

  /// Takes noise x to data; see SamplingPolicy. `noise` is asked for steps 0 .. N-2.
  template <class T, class Field, class Noise>
  [[nodiscard]] static T sample(T x, const SamplingOptions& options, Field&& field, Noise&& noise) {
    using std::exp;
    const DdpmSchedule schedule =
        DdpmSchedule::respaced(options.steps, field.parametrisation().path);
    for (int i = options.steps - 1; i >= 0; --i) {
      const auto s = static_cast<std::size_t>(i);
      const auto index = static_cast<double>(schedule.network_time[s]);
      const auto out = field.predict(x, index);
      const T eps = to_noise(field.parametrisation().target, field.at(index), out.prediction, x);
      const T x0 = x * schedule.sqrt_reciprocal_alpha_bar[s] -
                   eps * schedule.sqrt_reciprocal_alpha_bar_less[s];
      const T mean =
          x0 * schedule.posterior_data_weight[s] + x * schedule.posterior_state_weight[s];
      if (i == 0) {
        return mean;
      }
      const double least = schedule.posterior_log_variance_clipped[s];
      const T fresh = noise(static_cast<std::uint32_t>(options.steps - 1 - i));
      if (out.variance) {
        const T share = (*out.variance + 1.0) * 0.5;
        const T log_variance = share * (schedule.log_beta[s] - least) + least;
        x = mean + fresh * exp(log_variance * 0.5);
      } else {
        x = mean + fresh * std::exp(0.5 * least);
      }
    }
    return x;
  }
};

} // namespace d2c
