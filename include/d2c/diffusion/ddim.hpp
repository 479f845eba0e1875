#pragma once
/// DDIM on a DDPM schedule or on a continuous path.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/data_steps.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_point.hpp>
#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// Song et al. 2021, eq. 12 and 16: from t to s with the predicted data and noise,
/// x_s = alpha_s x_0 + sqrt(sigma_s^2 - d^2) eps + d n, d = eta sigma_s sqrt(1 - q^2) with
/// q = sigma_s alpha_t / (alpha_s sigma_t), which is the paper's d where alpha^2 + sigma^2 = 1 and
/// holds for every path. eta = 0: deterministic, first order, on the linear path Euler's method;
/// eta = 1: on a DDPM schedule DDPM with the posterior's variance. The last step is the predicted
/// data. A variance head is not read. One network call per step.
struct DDIM {
  using role = roles::sampling_method;
  static constexpr std::string_view name = "DDIM";
  static constexpr std::array<std::string_view, 2> keys{"eta", "spacing"};

  /// Empty, or what is wrong with the options.
  [[nodiscard]] static std::string refusal(const SamplingOptions& options,
                                           const Parametrisation& parametrisation) {
    if (!(options.eta >= 0 && options.eta <= 1)) {
      return "eta must be from 0 to 1, found " + std::to_string(options.eta);
    }
    return refuse_data_steps(name, options, parametrisation);
  }

  /// Takes noise x to data; see SamplingPolicy. `noise` is asked for steps 0 .. N-2 if eta > 0.
  template <class T, class Field, class Noise>
  [[nodiscard]] static T sample(T x, const SamplingOptions& options, Field&& field, Noise&& noise) {
    const std::vector<double> times = data_steps(options, field);
    for (std::size_t i = 0; i + 1 < times.size(); ++i) {
      const PathPoint here = field.at(times[i]);
      const PathPoint there = field.at(times[i + 1]);
      const double shrink = there.sigma * here.alpha / (there.alpha * here.sigma);
      const double fresh =
          options.eta * there.sigma * std::sqrt(std::max(0.0, 1 - shrink * shrink));
      const auto both = field.data_and_noise(x, times[i]);
      x = both.data * there.alpha +
          both.noise * std::sqrt(std::max(0.0, there.sigma * there.sigma - fresh * fresh));
      if (fresh > 0) {
        x = x + noise(static_cast<std::uint32_t>(i)) * fresh;
      }
    }
    return field.data(x, times.back());
  }
};

} // namespace d2c
