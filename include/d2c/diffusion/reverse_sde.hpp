#pragma once
/// The reverse SDE that the stochastic methods integrate: its times, its drift, its noise, its end.

#include <algorithm>
#include <cmath>
#include <vector>

#include <d2c/diffusion/diffusion_coefficient.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/diffusion/time_grid.hpp>
#include <d2c/diffusion/time_range.hpp>

namespace d2c {

/// dx = (v - w score) dt + sqrt(2 w) dW with time falling, for one choice of options (Ma et al.
/// 2024, eq. 5 and section 2.4). With score = -eps / sigma the drift is v + (w / sigma) eps, which
/// stays finite at both ends for the form sigma. `Field` as for sampling methods.
template <class Field>
class ReverseSde {
public:
  ReverseSde(const SamplingOptions& options, Field& field) : options_(options), field_(field) {}

  /// Times of the noisy steps, falling, one more than there are steps. The form sbdm is infinite
  /// where alpha is 0, so there it starts at 0.999.
  [[nodiscard]] std::vector<double> times() const {
    const TimeRange range = time_range(field_.parametrisation());
    const bool late =
        options_.diffusion == DiffusionForm::sbdm && field_.at(range.noise).alpha < 1e-9;
    const double start = late ? std::min(range.noise, 0.999) : range.noise;
    return options_.last_step == LastStep::none
               ? time_grid(options_, start, range.data, options_.steps)
               : time_grid(options_, start, options_.last_step_size, options_.steps - 1);
  }

  /// v - w score, one network call.
  template <class T>
  [[nodiscard]] T drift(const T& x, double t) const {
    const auto point = field_.at(t);
    const auto both = field_.data_and_noise(x, t);
    return both.data * point.d_alpha +
           both.noise * (point.d_sigma + diffusion_over_sigma(options_.diffusion,
                                                              options_.diffusion_norm, point, t));
  }

  /// Factor of a standard normal in a step of size |step| from t.
  [[nodiscard]] double spread(double t, double step) const {
    return std::sqrt(
        2 * diffusion_coefficient(options_.diffusion, options_.diffusion_norm, field_.at(t), t) *
        std::abs(step));
  }

  /// The last step from t; see LastStep. One network call, none for LastStep::none.
  template <class T>
  [[nodiscard]] T finish(const T& x, double t) const {
    switch (options_.last_step) {
    case LastStep::none:
      break;
    case LastStep::mean:
      return x - drift(x, t) * t;
    case LastStep::euler:
      return x - field_.velocity(x, t) * t;
    case LastStep::tweedie:
      return field_.data(x, t);
    }
    return x;
  }

private:
  const SamplingOptions& options_;
  Field& field_;
};

} // namespace d2c
