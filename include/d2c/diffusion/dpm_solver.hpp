#pragma once
/// DPM-Solver++(2M) on a DDPM schedule or on a continuous path.

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/data_steps.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_point.hpp>
#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// Lu et al. 2022, algorithm 2, in its midpoint form: with lambda = log(alpha / sigma) and
/// h = lambda_s - lambda_t, x_s = sigma_s / sigma_t x_t + (alpha_s - alpha_t sigma_s / sigma_t) D,
/// D = x_0 + h / (2 h_before) (x_0 - x_0 before). As in diffusers the first step is of first order,
/// and so is the last, which is the predicted data; so is the step after one that started where
/// alpha is 0, whose h is infinite. Second order, deterministic, one network call per step.
struct DPMSolver2M {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "DPMSolver2M";
  static constexpr std::array<std::string_view, 1> keys{"spacing"};

  /// Empty, or what is wrong with the options.
  [[nodiscard]] static std::string refusal(const SamplingOptions& options,
                                           const Parametrisation& parametrisation) {
    return refuse_data_steps(name, options, parametrisation);
  }

  /// Takes noise x to data; see SamplingPolicy.
  template <class T, class Field, class Noise>
  [[nodiscard]] static T sample(T x, const SamplingOptions& options, Field&& field,
                                Noise&& /*noise*/) {
    const std::vector<double> times = data_steps(options, field);
    std::optional<T> before;
    double step_before = 0;
    for (std::size_t i = 0; i + 1 < times.size(); ++i) {
      const PathPoint here = field.at(times[i]);
      const PathPoint there = field.at(times[i + 1]);
      const double step = half_log_ratio(there) - half_log_ratio(here);
      const T data = field.data(x, times[i]);
      T direction = data;
      if (before && std::isfinite(step_before)) {
        direction = data + (data - *before) * (0.5 * step / step_before);
      }
      const double shrink = there.sigma / here.sigma;
      x = x * shrink + direction * (there.alpha - here.alpha * shrink);
      before = data;
      step_before = step;
    }
    return field.data(x, times.back());
  }

private:
  /// lambda, which is minus infinity where alpha is 0.
  [[nodiscard]] static double half_log_ratio(const PathPoint& point) {
    return point.alpha <= 0 ? -std::numeric_limits<double>::infinity()
                            : std::log(point.alpha / point.sigma);
  }
};

} // namespace d2c
