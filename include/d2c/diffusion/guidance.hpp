#pragma once
/// Classifier-free guidance: its strength and where along the way it acts.

#include <cmath>
#include <string>

namespace d2c {

/// Prediction = null + scale (conditional - null) on all channels, for low <= t <= high with t = 0
/// data and t = 1 noise (for integer times t = index / 1000). Outside the interval, and with scale
/// 1, the network is asked for the conditional half alone (Kynkaanniemi et al. 2024; REPA).
struct Guidance {
  double scale = 1.0;
  double low = 0.0;
  double high = 1.0;

  [[nodiscard]] bool acts_at(double t) const { return scale != 1 && low <= t && t <= high; }

  /// Empty, or what is wrong with the values.
  [[nodiscard]] std::string refusal() const {
    if (!std::isfinite(scale) || scale < 0) {
      return "the guidance scale must be zero or a positive number, found " + std::to_string(scale);
    }
    if (!(0 <= low && low <= high && high <= 1)) {
      return "the guidance interval must satisfy 0 <= low <= high <= 1, found [" +
             std::to_string(low) + ", " + std::to_string(high) + "]";
    }
    return {};
  }
};

} // namespace d2c
