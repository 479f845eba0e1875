#pragma once
/// The network predicts the velocity: a part of PathMatching and DdpmMatching.

#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// The target is the velocity d_alpha x_0 + d_sigma eps: eps - x_0 on the linear path (SiT, REPA),
/// alpha eps - sigma x_0 ("v-prediction") on a DDPM schedule.
struct PredictVelocity {
  static constexpr std::string_view name = "PredictVelocity";
  static constexpr TargetKind kind = TargetKind::velocity;
};

} // namespace d2c
