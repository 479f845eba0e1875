#pragma once
/// The Dormand-Prince integrator of order 5 with step control, over one state or a batch of them.
/// Knows nothing of diffusion.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/diffusion/rows.hpp>
#include <d2c/diffusion/step_control.hpp>

namespace d2c {

/// Tolerance of an integration and whose error counts.
struct Dopri5Options {
  double rtol = 1e-3;
  double atol = 1e-6;
  StepControl control = StepControl::sample;
};

/// What an integration took, per sample.
struct Dopri5Report {
  std::vector<std::int64_t> calls; ///< evaluations of the right-hand side
  std::vector<std::int64_t> accepted;
  std::vector<std::int64_t> rejected;
};

/// dy/dt = f(t, y) by the pair 5(4) of Dormand and Prince (1980), first step after Hairer, Norsett
/// and Wanner (II.4), step sizes as torchdiffeq's dopri5 chooses them: safety 0.9, factors from 0.2
/// to 10, none below 1 after an accepted step, six evaluations a step since the last of a step is
/// the first of the next. `f(y, times, rows)` gets the rows of the batch that still move, the time
/// of each, and their indices. T is any type that Rows knows.
template <class T>
class Dopri5Integrator {
public:
  explicit Dopri5Integrator(const Dopri5Options& options) : options_(options) {}

  /// y at `to`, starting from y at `from`. The norm of a step's error is root mean square over a
  /// sample. Throws Failure if a state is not finite or the tolerance cannot be met.
  template <class F>
  [[nodiscard]] T integrate(T y, double from, double to, F&& f) {
    return integrate(std::move(y), from, to, std::forward<F>(f), Rows<T>::error);
  }

  /// As above with another norm: `error(e, a, b, atol, rtol)` returns per row the squared norm of
  /// e / (atol + rtol max(|a|, |b|)).
  template <class F, class Error>
  [[nodiscard]] T integrate(T y, double from, double to, F&& f, Error&& error) {
    const std::int64_t n = Rows<T>::count(y);
    const double sign = to < from ? -1.0 : 1.0;
    const bool shared = options_.control == StepControl::torchdiffeq;
    report_ = {numbers<std::int64_t>(n, 0), numbers<std::int64_t>(n, 0),
               numbers<std::int64_t>(n, 0)};
    std::vector<std::int64_t> rows = numbers<std::int64_t>(n, 0);
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    T result = y;
    if (n == 0 || from == to) {
      return result;
    }
    const auto norms = [&](const T& e, const T& a, const T& b) {
      std::vector<double> found = error(e, a, b, options_.atol, options_.rtol);
      if (shared) {
        const double mean =
            std::accumulate(found.begin(), found.end(), 0.0) / static_cast<double>(found.size());
        std::fill(found.begin(), found.end(), mean);
      }
      std::transform(found.begin(), found.end(), found.begin(),
                     [](double square) { return std::sqrt(square); });
      return found;
    };
    const auto slope = [&](const T& at, const std::vector<double>& times) {
      for (const std::int64_t row : rows) {
        ++report_.calls[static_cast<std::size_t>(row)];
      }
      return T(f(at, std::as_const(times), std::as_const(rows)));
    };

    std::vector<double> t = numbers<double>(n, from);
    T k0 = slope(y, t);
    std::vector<double> h = first_steps(y, k0, t, sign, norms, slope);
    for (int round = 0; !rows.empty(); ++round) {
      if (round == most_rounds) {
        throw Failure("Dopri5: expected to meet the tolerance within " +
                      std::to_string(most_rounds) + " steps, found t = " + std::to_string(t[0]) +
                      " reached");
      }
      const std::size_t m = rows.size();
      std::vector<double> step(m);
      std::vector<double> next(m);
      for (std::size_t i = 0; i < m; ++i) {
        const double left = sign * (to - t[i]);
        const bool last = !shared && h[i] >= left * (1 - 1e-12);
        step[i] = sign * (last ? left : h[i]);
        next[i] = last ? to : t[i] + step[i];
        if (!std::isfinite(step[i]) || next[i] == t[i]) {
          throw Failure("Dopri5: expected finite values and a tolerance that can be met, found a "
                        "step of " +
                        std::to_string(step[i]) + " at t = " + std::to_string(t[i]));
        }
      }
      std::array<T, 7> k{k0, k0, k0, k0, k0, k0, k0};
      const T y1 = stages(y, t, step, next, k, slope);
      const std::vector<double> ratio = norms(Rows<T>::scaled(sum(error_weights, k), step), y, y1);

      std::vector<std::int64_t> done;     // rows of the batch that reached the end
      std::vector<std::int64_t> done_at;  // their places among the moving ones
      std::vector<std::int64_t> moved_at; // places of accepted steps
      std::vector<std::int64_t> stay_at;  // places that go on
      for (std::size_t i = 0; i < m; ++i) {
        const auto row = static_cast<std::size_t>(rows[i]);
        const bool good = ratio[i] <= 1;
        if (!std::isfinite(ratio[i])) {
          throw Failure("Dopri5: expected finite values, found others between t = " +
                        std::to_string(t[i]) + " and " + std::to_string(next[i]));
        }
        ++(good ? report_.accepted : report_.rejected)[row];
        h[i] = std::abs(step[i]) * factor(ratio[i]);
        if (good) {
          moved_at.push_back(static_cast<std::int64_t>(i));
        }
        if (good && sign * (next[i] - to) >= 0) {
          done.push_back(rows[i]);
          done_at.push_back(static_cast<std::int64_t>(i));
        } else {
          stay_at.push_back(static_cast<std::int64_t>(i));
        }
      }
      if (!done.empty()) {
        const T end = shared ? interpolated(y, y1, k, step[0], (to - t[0]) / step[0]) : y1;
        result = Rows<T>::put(result, done, Rows<T>::take(end, done_at));
      }
      if (moved_at.size() == m) {
        y = y1;
        k0 = k[6];
      } else if (!moved_at.empty()) {
        y = Rows<T>::put(y, moved_at, Rows<T>::take(y1, moved_at));
        k0 = Rows<T>::put(k0, moved_at, Rows<T>::take(k[6], moved_at));
      }
      for (const std::int64_t i : moved_at) {
        t[static_cast<std::size_t>(i)] = next[static_cast<std::size_t>(i)];
      }
      if (!done.empty()) {
        keep(stay_at, t);
        keep(stay_at, h);
        keep(stay_at, rows);
        if (!rows.empty()) {
          y = Rows<T>::take(y, stay_at);
          k0 = Rows<T>::take(k0, stay_at);
        }
      }
    }
    return result;
  }

  /// One step of the given size without control, for all rows: the method of order 5 alone.
  template <class F>
  [[nodiscard]] static T step(const T& y, double t, double size, F&& f) {
    const std::int64_t n = Rows<T>::count(y);
    std::vector<std::int64_t> rows = numbers<std::int64_t>(n, 0);
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    const auto slope = [&](const T& at, const std::vector<double>& times) {
      return T(f(at, times, std::as_const(rows)));
    };
    const std::vector<double> times = numbers<double>(n, t);
    const T first = slope(y, times);
    std::array<T, 7> k{first, first, first, first, first, first, first};
    return stages(y, times, numbers<double>(n, size), numbers<double>(n, t + size), k, slope);
  }

  /// What the last integration took.
  [[nodiscard]] const Dopri5Report& report() const { return report_; }

private:
  static constexpr int most_rounds = 100000;
  static constexpr std::array<double, 5> nodes{1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1.0};
  static constexpr std::array<std::array<double, 7>, 6> weights{{
      {1.0 / 5},
      {3.0 / 40, 9.0 / 40},
      {44.0 / 45, -56.0 / 15, 32.0 / 9},
      {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
      {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
      {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84},
  }};
  /// Order 5 less the embedded solution that torchdiffeq compares with (Shampine's, order 4).
  static constexpr std::array<double, 7> error_weights{35.0 / 384 - 1951.0 / 21600,
                                                       0,
                                                       500.0 / 1113 - 22642.0 / 50085,
                                                       125.0 / 192 - 451.0 / 720,
                                                       -2187.0 / 6784 + 12231.0 / 42400,
                                                       11.0 / 84 - 649.0 / 6300,
                                                       -1.0 / 60};
  /// The state in the middle of a step, order 4.
  static constexpr std::array<double, 7> middle_weights{
      6025192743.0 / 30085553152.0 / 2,     0,
      51252292925.0 / 65400821598.0 / 2,    -2691868925.0 / 45128329728.0 / 2,
      187940372067.0 / 1594534317056.0 / 2, -1776094331.0 / 19743644256.0 / 2,
      11237099.0 / 235043384.0 / 2};

  template <class V>
  [[nodiscard]] static std::vector<V> numbers(std::int64_t count, V value) {
    return std::vector<V>(static_cast<std::size_t>(count), value);
  }

  template <class V>
  static void keep(const std::vector<std::int64_t>& places, std::vector<V>& values) {
    for (std::size_t i = 0; i < places.size(); ++i) {
      values[i] = values[static_cast<std::size_t>(places[i])];
    }
    values.resize(places.size());
  }

  [[nodiscard]] static T sum(const std::array<double, 7>& factors, const std::array<T, 7>& k) {
    T total = k[0] * factors[0];
    for (std::size_t j = 1; j < 7; ++j) {
      if (factors[j] != 0) {
        total = total + k[j] * factors[j];
      }
    }
    return total;
  }

  /// Fills k[1] .. k[6] and returns the new state.
  template <class Slope>
  [[nodiscard]] static T stages(const T& y, const std::vector<double>& t,
                                const std::vector<double>& step, const std::vector<double>& next,
                                std::array<T, 7>& k, Slope&& slope) {
    T state = y;
    for (std::size_t j = 0; j < 6; ++j) {
      state = y + Rows<T>::scaled(sum(weights[j], k), step);
      std::vector<double> times(t.size());
      for (std::size_t i = 0; i < t.size(); ++i) {
        times[i] = j >= 4 ? next[i] : t[i] + nodes[j] * step[i];
      }
      k[j + 1] = slope(state, times);
    }
    return state;
  }

  template <class Norms, class Slope>
  [[nodiscard]] static std::vector<double> first_steps(const T& y, const T& k0,
                                                       const std::vector<double>& t, double sign,
                                                       Norms&& norms, Slope&& slope) {
    const std::vector<double> size = norms(y, y, y);
    const std::vector<double> speed = norms(k0, y, y);
    std::vector<double> guess(t.size());
    std::vector<double> signed_guess(t.size());
    std::vector<double> times(t.size());
    for (std::size_t i = 0; i < t.size(); ++i) {
      guess[i] = size[i] < 1e-5 || speed[i] < 1e-5 ? 1e-6 : 0.01 * size[i] / speed[i];
      signed_guess[i] = sign * guess[i];
      times[i] = t[i] + signed_guess[i];
    }
    const T there = slope(T(y + Rows<T>::scaled(k0, signed_guess)), times);
    const std::vector<double> bend = norms(T(there - k0), y, y);
    std::vector<double> h(t.size());
    for (std::size_t i = 0; i < t.size(); ++i) {
      const double second = bend[i] / guess[i];
      const double by_slope = speed[i] <= 1e-15 && second <= 1e-15
                                  ? std::max(1e-6, guess[i] * 1e-3)
                                  : std::pow(0.01 / std::max(speed[i], second), 0.2);
      h[i] = std::min(100 * guess[i], by_slope);
    }
    return h;
  }

  /// By what a step grows after an error of `ratio` times the tolerance.
  [[nodiscard]] static double factor(double ratio) {
    if (ratio == 0) {
      return 10;
    }
    const double least = ratio < 1 ? 1.0 : 0.2;
    return std::min(10.0, std::max(0.9 / std::pow(ratio, 0.2), least));
  }

  /// The state at the share x of a step, by the quartic through both ends, their slopes and the
  /// middle.
  [[nodiscard]] static T interpolated(const T& y0, const T& y1, const std::array<T, 7>& k,
                                      double step, double x) {
    const T middle = y0 + sum(middle_weights, k) * step;
    const T f0 = k[0] * step;
    const T f1 = k[6] * step;
    const T a = (f1 - f0) * 2.0 - (y1 + y0) * 8.0 + middle * 16.0;
    const T b = f0 * 5.0 - f1 * 3.0 + y0 * 18.0 + y1 * 14.0 - middle * 32.0;
    const T c = f1 - f0 * 4.0 - y0 * 11.0 - y1 * 5.0 + middle * 16.0;
    return (((a * x + b) * x + c) * x + f0) * x + y0;
  }

  Dopri5Options options_;
  Dopri5Report report_;
};

} // namespace d2c
