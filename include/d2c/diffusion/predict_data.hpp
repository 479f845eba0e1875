#pragma once
/// The network predicts the data: a part of PathMatching and DdpmMatching.

#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// The target is the data x_0 ("sample" in diffusers).
struct PredictData {
  static constexpr std::string_view name = "PredictData";
  static constexpr TargetKind kind = TargetKind::data;
};

} // namespace d2c
