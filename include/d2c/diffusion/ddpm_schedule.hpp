#pragma once
/// The DDPM noise schedule as tables in double precision, whole or thinned to fewer steps. Holds no
/// tensors and no sampling loop.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/schedule_table.hpp>

namespace d2c {

/// Tables of the linear schedule (Ho et al. 2020, beta from 1e-4 to 2e-2 over 1000 steps) or of the
/// cosine schedule (Nichol & Dhariwal 2021, eq. 17, s = .008, beta at most .999; diffusers'
/// squaredcos_cap_v2), with the arithmetic of the DiT code: betas are recomputed as
/// 1 - abar_i / abar_{i-1} even when no step is left out. Step 0 is the cleanest. All tables have
/// steps() entries.
struct DdpmSchedule {
  static constexpr int training_steps = 1000;

  std::vector<int> network_time; ///< what the network is told at each step: the index 0 .. 999
  ScheduleTable beta;
  ScheduleTable log_beta;
  ScheduleTable alpha_bar;
  ScheduleTable alpha_bar_previous;             ///< 1 at step 0
  ScheduleTable sqrt_alpha_bar;                 ///< weight of the data in x_t
  ScheduleTable sqrt_one_minus_alpha_bar;       ///< weight of the noise in x_t
  ScheduleTable sqrt_reciprocal_alpha_bar;      ///< weight of x_t in the predicted data
  ScheduleTable sqrt_reciprocal_alpha_bar_less; ///< weight of the predicted noise in it
  ScheduleTable posterior_variance;             ///< of q(x_{t-1} | x_t, x_0); 0 at step 0
  ScheduleTable posterior_log_variance_clipped; ///< step 0 repeats step 1
  ScheduleTable posterior_data_weight;          ///< of x_0 in the posterior mean
  ScheduleTable posterior_state_weight;         ///< of x_t in the posterior mean

  [[nodiscard]] int steps() const { return static_cast<int>(network_time.size()); }

  /// All 1000 steps of a DDPM path: what training uses.
  [[nodiscard]] static const DdpmSchedule& full(PathKind path = PathKind::ddpm_linear) {
    static const DdpmSchedule linear = respaced(training_steps, PathKind::ddpm_linear);
    static const DdpmSchedule cosine = respaced(training_steps, PathKind::ddpm_cosine);
    return path == PathKind::ddpm_cosine ? cosine : linear;
  }

  /// `count` steps spread evenly over the 1000, first and last included, positions rounded half to
  /// even while a float64 position is accumulated (DiT's respacing with one section). 2..1000,
  /// else InputError.
  [[nodiscard]] static DdpmSchedule respaced(int count, PathKind path = PathKind::ddpm_linear) {
    if (count < 2 || count > training_steps) {
      throw InputError("a DDPM schedule needs 2 to " + std::to_string(training_steps) +
                       " steps, found " + std::to_string(count));
    }
    std::vector<int> kept;
    const double stride = static_cast<double>(training_steps - 1) / (count - 1);
    double position = 0;
    for (int i = 0; i < count; ++i) {
      kept.push_back(static_cast<int>(std::nearbyint(position)));
      position += stride;
    }
    return of_steps(std::move(kept), path);
  }

private:
  /// beta of each of the 1000 steps.
  [[nodiscard]] static double training_beta(PathKind path, int step) {
    if (path == PathKind::ddpm_cosine) {
      const auto bar = [](double t) {
        const double root = std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2);
        return root * root;
      };
      constexpr double most = 0.999;
      return std::min(1 - bar(static_cast<double>(step + 1) / training_steps) /
                              bar(static_cast<double>(step) / training_steps),
                      most);
    }
    constexpr double first = 1e-4;
    constexpr double last = 2e-2;
    constexpr double stride = (last - first) / (training_steps - 1);
    return step == training_steps - 1 ? last : step * stride + first;
  }

  [[nodiscard]] static DdpmSchedule of_steps(std::vector<int> kept, PathKind path) {
    std::vector<double> cumulative;
    double product = 1;
    for (int i = 0; i < training_steps; ++i) {
      product *= 1 - training_beta(path, i);
      cumulative.push_back(product);
    }

    DdpmSchedule s;
    s.network_time = std::move(kept);
    const auto n = s.network_time.size();
    double previous_kept = 1;
    for (const int index : s.network_time) {
      const double bar = cumulative[static_cast<std::size_t>(index)];
      s.beta.values.push_back(1 - bar / previous_kept);
      previous_kept = bar;
    }
    double bar = 1;
    for (std::size_t i = 0; i < n; ++i) {
      const double b = s.beta[i];
      const double previous = bar;
      bar *= 1 - b;
      s.log_beta.values.push_back(std::log(b));
      s.alpha_bar.values.push_back(bar);
      s.alpha_bar_previous.values.push_back(previous);
      s.sqrt_alpha_bar.values.push_back(std::sqrt(bar));
      s.sqrt_one_minus_alpha_bar.values.push_back(std::sqrt(1 - bar));
      s.sqrt_reciprocal_alpha_bar.values.push_back(std::sqrt(1 / bar));
      s.sqrt_reciprocal_alpha_bar_less.values.push_back(std::sqrt(1 / bar - 1));
      s.posterior_variance.values.push_back(b * (1 - previous) / (1 - bar));
      s.posterior_data_weight.values.push_back(b * std::sqrt(previous) / (1 - bar));
      s.posterior_state_weight.values.push_back((1 - previous) * std::sqrt(1 - b) / (1 - bar));
    }
    for (std::size_t i = 0; i < n; ++i) {
      s.posterior_log_variance_clipped.values.push_back(
          std::log(s.posterior_variance[i == 0 ? 1 : i]));
    }
    return s;
  }
};

} // namespace d2c
