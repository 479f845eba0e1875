#pragma once
/// The samples of a solver's state one by one.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace d2c {

/// What an adaptive solver asks of a state type T beside + - and * double: how many samples (rows)
/// it holds and how to treat each by its own numbers. tensor/tensor_rows.hpp has it for tensors.
template <class T>
struct Rows;

/// A number is a state of one sample.
template <>
struct Rows<double> {
  [[nodiscard]] static std::int64_t count(double /*x*/) { return 1; }

  /// Each row times its own factor.
  [[nodiscard]] static double scaled(double x, const std::vector<double>& factors) {
    return x * factors[0];
  }

  /// Per row the mean of (e / (atol + rtol max(|a|, |b|)))^2.
  [[nodiscard]] static std::vector<double> error(double e, double a, double b, double atol,
                                                 double rtol) {
    const double ratio = e / (atol + rtol * std::max(std::abs(a), std::abs(b)));
    return {ratio * ratio};
  }

  /// The listed rows, in that order.
  [[nodiscard]] static double take(double x, const std::vector<std::int64_t>& /*rows*/) {
    return x;
  }

  /// `into` with the listed rows (at least one) replaced by those of `from`.
  [[nodiscard]] static double put(double /*into*/, const std::vector<std::int64_t>& /*rows*/,
                                  double from) {
    return from;
  }
};

} // namespace d2c
