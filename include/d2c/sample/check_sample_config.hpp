#pragma once
/// Range checks of the section [sample] for one sampling method. Torch-free.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <d2c/core/problem.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/diffusion/method_accepts.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/sample/sample_config.hpp>

namespace d2c {

/// What [sample] says to the solver.
[[nodiscard]] inline SamplingOptions sampling_options(const SampleConfig& config) {
  return {.steps = static_cast<int>(config.steps), .time_shift = config.time_shift};
}

/// What [sample] says of guidance.
[[nodiscard]] inline Guidance guidance_of(const SampleConfig& config) {
  return {.scale = config.guidance, .low = config.guidance_low, .high = config.guidance_high};
}

/// Empty if the method can honour the options for some denoiser, else what it says of the first one
/// it accepts. Before a run the denoiser is not known; run_stage asks again with the real one.
template <class Method>
[[nodiscard]] std::string method_refusal(const SamplingOptions& options) {
  std::string first;
  for (std::size_t path = 0; path < option_names<PathKind>.size(); ++path) {
    for (std::size_t target = 0; target < option_names<TargetKind>.size(); ++target) {
      const Parametrisation parametrisation{static_cast<PathKind>(path),
                                            static_cast<TargetKind>(target)};
      if (method_accepts<Method>(parametrisation)) {
        std::string refusal = Method::refusal(options, parametrisation);
        if (refusal.empty()) {
          return refusal;
        }
        first = first.empty() ? std::move(refusal) : first;
      }
    }
  }
  return first;
}

/// Adds one problem per value of `config` that cannot be sampled with; the place is the key or
/// section.
template <class Method>
void check_sample_config(const SampleConfig& config, Problems& problems) {
  const auto positive = [&](const char* key, std::int64_t value) {
    if (value < 1 || value > std::numeric_limits<std::int32_t>::max()) {
      problems.add(std::string("sample.") + key,
                   "expected a positive number below 2^31, found " + std::to_string(value));
      return false;
    }
    return true;
  };
  positive("images_per_class", config.images_per_class);
  positive("batch", config.batch);
  positive("grid_per_class", config.grid_per_class);
  if (positive("steps", config.steps)) {
    if (const std::string refusal = method_refusal<Method>(sampling_options(config));
        !refusal.empty()) {
      problems.add("sample", refusal);
    }
  }
  if (const std::string refusal = guidance_of(config).refusal(); !refusal.empty()) {
    problems.add("sample", refusal);
  }
}

} // namespace d2c
