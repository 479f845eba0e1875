#pragma once
/// What a sampling method sees of a denoiser: its path, and whichever of velocity, noise, data and
/// score it wants.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/diffusion/convert.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_point.hpp>
#include <d2c/diffusion/rows.hpp>

namespace d2c {

/// A denoiser with its parametrisation, for states T (a tensor, or double in tests). `Predict` is
/// called with (x, t), t the network's time as double, and returns Denoised<T>. Each of predict,
/// velocity, noise, data, score and data_and_noise asks the network once.
template <class T, class Predict>
class Field {
public:
  Field(const Parametrisation& parametrisation, Predict predict)
      : parametrisation_(parametrisation), predict_(std::move(predict)) {}

  /// Data and noise that together make up the state.
  struct Both {
    T data;
    T noise;
  };

  [[nodiscard]] Parametrisation parametrisation() const { return parametrisation_; }

  /// Whether times are indices 0 .. 999 of a DDPM schedule instead of numbers in [0, 1].
  [[nodiscard]] bool discrete() const { return is_discrete(parametrisation_.path); }

  [[nodiscard]] PathPoint at(double t) const { return path_point(parametrisation_.path, t); }

  /// What the network says, with its variance head.
  [[nodiscard]] Denoised<T> predict(const T& x, double t) const { return predict_(x, t); }

  [[nodiscard]] T velocity(const T& x, double t) const {
    return to_velocity(parametrisation_.target, at(t), predict(x, t).prediction, x);
  }

  /// The velocity of the listed rows of a batch, each at its own time; x holds these rows. Where
  /// `Predict` cannot be called with (x, times, rows), all times must be equal, else Failure.
  [[nodiscard]] T velocity(const T& x, const std::vector<double>& times,
                           const std::vector<std::int64_t>& rows) const {
    if constexpr (std::is_invocable_v<const Predict&, const T&, const std::vector<double>&,
                                      const std::vector<std::int64_t>&>) {
      const T prediction = predict_(x, times, rows).prediction;
      if (parametrisation_.target == TargetKind::velocity) {
        return prediction;
      }
      // The conversion is linear: its two factors, row by row.
      std::vector<double> of_prediction;
      std::vector<double> of_state;
      for (const double t : times) {
        of_prediction.push_back(to_velocity(parametrisation_.target, at(t), 1.0, 0.0));
        of_state.push_back(to_velocity(parametrisation_.target, at(t), 0.0, 1.0));
      }
      return Rows<T>::scaled(prediction, of_prediction) + Rows<T>::scaled(x, of_state);
    } else {
      if (std::adjacent_find(times.begin(), times.end(), std::not_equal_to<>()) != times.end()) {
        throw Failure("a denoiser of one time for all was asked for rows at different times");
      }
      return velocity(x, times.front());
    }
  }

  [[nodiscard]] T noise(const T& x, double t) const {
    return to_noise(parametrisation_.target, at(t), predict(x, t).prediction, x);
  }

  [[nodiscard]] T data(const T& x, double t) const {
    return to_data(parametrisation_.target, at(t), predict(x, t).prediction, x);
  }

  [[nodiscard]] T score(const T& x, double t) const {
    return to_score(parametrisation_.target, at(t), predict(x, t).prediction, x);
  }

  [[nodiscard]] Both data_and_noise(const T& x, double t) const {
    const PathPoint point = at(t);
    const T prediction = predict(x, t).prediction;
    return {to_data(parametrisation_.target, point, prediction, x),
            to_noise(parametrisation_.target, point, prediction, x)};
  }

private:
  Parametrisation parametrisation_;
  Predict predict_;
};

/// A field for states T.
template <class T, class Predict>
[[nodiscard]] Field<T, Predict> make_field(const Parametrisation& parametrisation,
                                           Predict predict) {
  return {parametrisation, std::move(predict)};
}

} // namespace d2c
