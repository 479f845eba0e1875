#pragma once
/// Training on a continuous path with any target and weighting: SiT's objectives. Torch-free
/// templates.

#include <string_view>
#include <type_traits>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/diffusion/convert.hpp>
#include <d2c/diffusion/objective_parts.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/predict_velocity.hpp>
#include <d2c/diffusion/target_error.hpp>
#include <d2c/diffusion/training_range.hpp>
#include <d2c/diffusion/unweighted.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

namespace detail {

template <class Path, class Target, class Weight>
constexpr auto path_matching_name() {
  constexpr auto start = "PathMatching<" + part_name<Path>() + "," + part_name<Target>();
  if constexpr (std::is_same_v<Weight, Unweighted>) {
    return start + ">";
  } else {
    return start + "," + part_name<Weight>() + ">";
  }
}

} // namespace detail

/// Path: LinearPath, GvpPath or VpPath. Target: PredictVelocity, PredictNoise, PredictData or
/// PredictScore. Weight: Unweighted, VelocityWeight, LikelihoodWeight (both not for velocities) or
/// MinSnr<gamma> (Ma et al. 2024; the direction of time is REPA's). `T` is a tensor type; images
/// are [B, C, H, W], times and losses [B]. PathMatching<LinearPath> is FlowMatching but for
/// rounding.
template <PathPart Path, TargetPart Target = PredictVelocity, WeightPart Weight = Unweighted>
struct PathMatching {
  using role = roles::objective;
  static constexpr Parametrisation parametrisation{Path::kind, Target::kind};
  /// Whether the path is a continuous one and the weight is defined for the target.
  static constexpr bool parts_fit = !is_discrete(Path::kind) && Weight::fits(Target::kind);
  static constexpr auto text = detail::path_matching_name<Path, Target, Weight>();
  static constexpr std::string_view name = text;
  static constexpr Family family = Family::sit;
  static constexpr bool learns_variance = false;

  /// Network time of u in (0, 1): spread over training_range.
  template <class T>
  [[nodiscard]] static T time(const T& u) {
    constexpr TrainingRange range = training_range(parametrisation);
    if constexpr (range.data == 0 && range.noise == 1) {
      return u;
    } else {
      return u * (range.noise - range.data) + range.data;
    }
  }

  /// The noisy image x_t, [B, C, H, W]; t is a network time [B] (or [1]: the same for all).
  template <class T>
  [[nodiscard]] static T diffuse(const T& x0, const T& noise, const T& t) {
    const auto at = weights(t);
    return at.alpha * x0 + at.sigma * noise;
  }

  /// Per-sample weighted mean of the squared target_error over C, H, W: [B].
  template <class Out, class T>
  [[nodiscard]] static T loss(const Out& out, const T& x0, const T& noise, const T& /*x_t*/,
                              const T& t) {
    const auto at = weights(t);
    const T error =
        target_error<T>(Target::kind, at, out.prediction, x0, noise).square().flatten(1).mean(1);
    if constexpr (std::is_same_v<Weight, Unweighted>) {
      return error;
    } else {
      return error * Weight::weight(Target::kind, at).flatten();
    }
  }

  /// Per-sample mean of (eps - eps_hat)^2 over C, H, W: [B], the loss inside Eq. 7 and line 8 of
  /// Algorithm 2 with the noise that the prediction implies.
  template <class Out, class T>
  [[nodiscard]] static T noise_error(const Out& out, const T& /*x0*/, const T& noise, const T& x_t,
                                     const T& t) {
    return (noise - to_noise<T>(Target::kind, weights(t), out.prediction, x_t))
        .square()
        .flatten(1)
        .mean(1);
  }

private:
  template <class T>
  [[nodiscard]] static auto weights(const T& t) {
    return Path::template at<T>(t.reshape({-1, 1, 1, 1}));
  }
};

} // namespace d2c
