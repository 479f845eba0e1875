#pragma once
/// The cosine DDPM schedule, as a part of DdpmMatching. Torch-free; a program that instantiates it
/// with tensors includes diffusion/noise_prediction_tensors.hpp.

#include <string_view>

#include <d2c/diffusion/ddpm_weights.hpp>
#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// abar = cos^2 with offset .008, beta at most .999 (Nichol & Dhariwal 2021; "squaredcos_cap_v2").
struct CosineSchedule : DdpmWeights<PathKind::ddpm_cosine> {
  static constexpr std::string_view name = "CosineSchedule";
};

} // namespace d2c
