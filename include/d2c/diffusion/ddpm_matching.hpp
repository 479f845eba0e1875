#pragma once
/// Training on a DDPM schedule with any target, weighting and variance. Torch-free templates; a
/// program that instantiates them with tensors includes diffusion/noise_prediction_tensors.hpp.

#include <string_view>
#include <type_traits>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/diffusion/convert.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/fixed_variance.hpp>
#include <d2c/diffusion/objective_parts.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/predict_noise.hpp>
#include <d2c/diffusion/target_error.hpp>
#include <d2c/diffusion/unweighted.hpp>
#include <d2c/diffusion/variational_bound.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

namespace detail {

template <class Schedule, class Target, class Weight, class Variance>
constexpr auto ddpm_matching_name() {
  constexpr auto start = "DdpmMatching<" + part_name<Schedule>() + "," + part_name<Target>();
  constexpr bool plain = std::is_same_v<Weight, Unweighted>;
  if constexpr (std::is_same_v<Variance, FixedVariance>) {
    if constexpr (plain) {
      return start + ">";
    } else {
      return start + "," + part_name<Weight>() + ">";
    }
  } else {
    return start + "," + part_name<Weight>() + "," + part_name<Variance>() + ">";
  }
}

} // namespace detail

/// Schedule: LinearSchedule or CosineSchedule. Target: PredictNoise, PredictData, PredictVelocity
/// (v-prediction, Salimans & Ho 2022) or PredictScore. Weight: as for PathMatching. Variance:
/// FixedVariance or LearnedRange. `T` is a tensor type; images are [B, C, H, W], times (an index
/// 0 .. 999 as floating point) and losses [B]. With LinearSchedule, PredictNoise and LearnedRange
/// it is NoisePrediction.
template <PathPart Schedule, TargetPart Target = PredictNoise, WeightPart Weight = Unweighted,
          VariancePart Variance = FixedVariance>
struct DdpmMatching {
  using role = roles::objective;
  static constexpr Parametrisation parametrisation{Schedule::kind, Target::kind};
  /// Whether the schedule is one of DDPM and the weight is defined for the target.
  static constexpr bool parts_fit = is_discrete(Schedule::kind) && Weight::fits(Target::kind);
  static constexpr auto text = detail::ddpm_matching_name<Schedule, Target, Weight, Variance>();
  static constexpr std::string_view name = text;
  static constexpr Family family = Family::dit;
  static constexpr bool learns_variance = Variance::learned;

  /// Network time of u in (0, 1): floor(1000 u), still floating point.
  template <class T>
  [[nodiscard]] static T time(const T& u) {
    constexpr int steps = DdpmSchedule::training_steps;
    return (u * steps).floor().clamp(0, steps - 1);
  }

  /// The noisy image x_t, [B, C, H, W]; t is a network time [B] (or [1]: the same for all).
  template <class T>
  [[nodiscard]] static T diffuse(const T& x0, const T& noise, const T& t) {
    const auto at = Schedule::template at<T>(t);
    return at.alpha * x0 + at.sigma * noise;
  }

  /// Per-sample weighted mean of the squared target_error over C, H, W: [B]; with LearnedRange plus
  /// the variational bound, which trains the variance alone and is not weighted.
  template <class Out, class T>
  [[nodiscard]] static T loss(const Out& out, const T& x0, const T& noise, const T& x_t,
                              const T& t) {
    const auto at = Schedule::template at<T>(t);
    T error =
        target_error<T>(Target::kind, at, out.prediction, x0, noise).square().flatten(1).mean(1);
    if constexpr (!std::is_same_v<Weight, Unweighted>) {
      error = error * Weight::weight(Target::kind, at).flatten();
    }
    if constexpr (Variance::learned) {
      const T noise_hat = to_noise<T>(Target::kind, at, out.prediction.detach(), x_t);
      error = error + variational_bound<T>(DdpmSchedule::full(Schedule::kind), noise_hat,
                                           out.variance, x0, x_t, t);
    }
    return error;
  }

  /// Per-sample mean of (eps - eps_hat)^2 over C, H, W: [B], the loss inside Eq. 7 and line 8 of
  /// Algorithm 2 with the noise that the prediction implies.
  template <class Out, class T>
  [[nodiscard]] static T noise_error(const Out& out, const T& /*x0*/, const T& noise, const T& x_t,
                                     const T& t) {
    return (noise - to_noise<T>(Target::kind, Schedule::template at<T>(t), out.prediction, x_t))
        .square()
        .flatten(1)
        .mean(1);
  }
};

} // namespace d2c
