#pragma once
/// The times at which a method that predicts the data again and again asks the network.

#include <string>
#include <string_view>
#include <vector>

#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/option_refusal.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_point.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/diffusion/step_spacing.hpp>
#include <d2c/diffusion/time_grid.hpp>
#include <d2c/diffusion/time_range.hpp>

namespace d2c {

/// What follows the last of these times: data without noise.
inline constexpr PathPoint clean_point{.alpha = 1, .sigma = 0, .d_alpha = 0, .d_sigma = 0};

/// Falling network times, one per step; the step after the last leads to `clean_point`. On a DDPM
/// schedule the indices that `spacing` chooses, on a continuous path the grid from noise to data
/// without its end.
template <class Field>
[[nodiscard]] std::vector<double> data_steps(const SamplingOptions& options, const Field& field) {
  if (field.discrete()) {
    const std::vector<int> steps =
        spaced_steps(options.spacing, options.steps, DdpmSchedule::training_steps);
    return {steps.rbegin(), steps.rend()};
  }
  std::vector<double> times =
      time_grid(options, time_range(field.parametrisation()).noise, 0, options.steps);
  times.pop_back();
  return times;
}

/// Empty, or one sentence about steps, time shift or spacing.
[[nodiscard]] inline std::string refuse_data_steps(std::string_view method,
                                                   const SamplingOptions& options,
                                                   const Parametrisation& parametrisation) {
  constexpr int most = DdpmSchedule::training_steps;
  if (!is_discrete(parametrisation.path)) {
    if (options.spacing != StepSpacing::respaced) {
      return "a continuous path has no spacing of its steps, so the spacing must be \"respaced\", "
             "found \"" +
             std::string(option_name(options.spacing)) + "\"";
    }
    return refuse_steps(method, options, 1);
  }
  const bool ends =
      options.spacing == StepSpacing::respaced || options.spacing == StepSpacing::linspace;
  if (options.steps < (ends ? 2 : 1) || options.steps > most) {
    return std::string(method) + " needs " + (ends ? "2" : "1") + " to " + std::to_string(most) +
           " steps of a DDPM schedule, found " + std::to_string(options.steps);
  }
  if (options.time_shift != 1) {
    return "a DDPM schedule has its own time grid, so the time shift must be 1, found " +
           std::to_string(options.time_shift);
  }
  return {};
}

} // namespace d2c
