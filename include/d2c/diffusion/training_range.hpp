#pragma once
/// Which times of a continuous path a network is trained at.

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// The first and last time.
struct TrainingRange {
  double data = 0;
  double noise = 1;
};

/// SiT's ranges, with time reversed: all of [0, 1] for velocities of the linear and GVP paths; less
/// 1e-3 at both ends for their noise and score; less 1e-5 at data on the VP path, whatever is
/// predicted. Data, which SiT does not predict: less 1e-3 at data, where no noise follows from
/// them.
[[nodiscard]] constexpr TrainingRange training_range(const Parametrisation& parametrisation) {
  constexpr double margin = 1e-3;
  if (parametrisation.path == PathKind::vp) {
    return {.data = 1e-5, .noise = 1};
  }
  switch (parametrisation.target) {
  case TargetKind::velocity:
    break;
  case TargetKind::data:
    return {.data = margin, .noise = 1};
  case TargetKind::noise:
  case TargetKind::score:
    return {.data = margin, .noise = 1 - margin};
  }
  return {};
}

} // namespace d2c
