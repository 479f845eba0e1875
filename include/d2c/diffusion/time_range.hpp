#pragma once
/// Between which times a continuous path can be sampled.

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// Where sampling starts and ends.
struct TimeRange {
  double noise = 1;
  double data = 0;
};

/// SiT's ranges: all of [0, 1] for velocities of the linear and GVP paths, else less 1e-3 at an end
/// where velocity or data do not follow from the prediction: at data for the VP path and for
/// predicted noise, score or data; at noise for predicted noise and score where alpha is 0.
[[nodiscard]] constexpr TimeRange time_range(const Parametrisation& parametrisation) {
  constexpr double margin = 1e-3;
  const bool vp = parametrisation.path == PathKind::vp;
  const bool velocity = parametrisation.target == TargetKind::velocity;
  const bool data = parametrisation.target == TargetKind::data;
  return {.noise = vp || velocity || data ? 1.0 : 1 - margin,
          .data = velocity && !vp ? 0.0 : margin};
}

} // namespace d2c
