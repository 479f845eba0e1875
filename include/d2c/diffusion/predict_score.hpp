#pragma once
/// The network predicts the score: a part of PathMatching and DdpmMatching.

#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// The target is the score -eps / sigma (SiT); its error is that of sigma times it, as in SiT.
struct PredictScore {
  static constexpr std::string_view name = "PredictScore";
  static constexpr TargetKind kind = TargetKind::score;
};

} // namespace d2c
