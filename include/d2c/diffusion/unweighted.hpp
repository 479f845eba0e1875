#pragma once
/// No weighting of the loss over time: a part of PathMatching and DdpmMatching.

#include <string_view>

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// The loss is the plain mean squared error of the target.
struct Unweighted {
  static constexpr std::string_view name = "Unweighted";

  [[nodiscard]] static constexpr bool fits(TargetKind) { return true; }
};

} // namespace d2c
