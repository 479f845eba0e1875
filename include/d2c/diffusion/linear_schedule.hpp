#pragma once
/// The linear DDPM schedule, as a part of DdpmMatching. Torch-free; a program that instantiates it
/// with tensors includes diffusion/noise_prediction_tensors.hpp.

#include <string_view>

#include <d2c/diffusion/ddpm_weights.hpp>
#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// beta from 1e-4 to 2e-2 over 1000 steps (Ho et al. 2020; DiT).
struct LinearSchedule : DdpmWeights<PathKind::ddpm_linear> {
  static constexpr std::string_view name = "LinearSchedule";
};

} // namespace d2c
