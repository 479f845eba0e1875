#pragma once
/// Checks of sampling options that several methods share.

#include <cmath>
#include <string>
#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// Empty, or one sentence about the number of steps or the time shift of a continuous path.
[[nodiscard]] inline std::string refuse_steps(std::string_view method,
                                              const SamplingOptions& options, int least) {
  if (options.steps < least) {
    return std::string(method) + " needs at least " + std::to_string(least) +
           (least == 1 ? " step, found " : " steps, found ") + std::to_string(options.steps);
  }
  if (!std::isfinite(options.time_shift) || options.time_shift <= 0) {
    return "the time shift must be a positive number, found " + std::to_string(options.time_shift);
  }
  return {};
}

/// Empty, or one sentence if the denoiser was trained on a DDPM schedule.
[[nodiscard]] inline std::string refuse_schedule(std::string_view method,
                                                 const Parametrisation& parametrisation) {
  if (is_discrete(parametrisation.path)) {
    return std::string(method) +
           " needs a denoiser of a continuous path, found one of a DDPM schedule";
  }
  return {};
}

/// Empty, or one sentence about what the stochastic methods read.
[[nodiscard]] inline std::string refuse_noise(const SamplingOptions& options) {
  if (!std::isfinite(options.diffusion_norm) || options.diffusion_norm < 0) {
    return "the diffusion norm must be zero or a positive number, found " +
           std::to_string(options.diffusion_norm);
  }
  if (!(options.last_step_size > 0 && options.last_step_size < 1)) {
    return "the last step must start between 0 and 1, found " +
           std::to_string(options.last_step_size);
  }
  return {};
}

/// Empty, or one sentence about anything that keeps a method from following the reverse SDE.
[[nodiscard]] inline std::string refuse_reverse_sde(std::string_view method,
                                                    const SamplingOptions& options,
                                                    const Parametrisation& parametrisation) {
  for (const std::string& text : {refuse_steps(method, options, 2), refuse_noise(options),
                                  refuse_schedule(method, parametrisation)}) {
    if (!text.empty()) {
      return text;
    }
  }
  return {};
}

} // namespace d2c
