#pragma once
/// The network predicts the noise: a part of PathMatching and DdpmMatching.

#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// The target is the noise eps (DDPM, DiT).
struct PredictNoise {
  static constexpr std::string_view name = "PredictNoise";
  static constexpr TargetKind kind = TargetKind::noise;
};

} // namespace d2c
