#pragma once
/// How positions that a vision transformer learned on one grid become those of another. Torch-free.

#include <string_view>

namespace d2c {

/// Each differs from the others by far more than rounding. All are bicubic in float32.
/// `antialiased`: widened when shrinking, a = -1/2 (timm, REPA for all its encoders, and DINOv2's
/// authors with registers). `plain`: a = -3/4 at the asked size (transformers). `offset`: the same
/// with the scale (size + 0.1) / side (DINOv2's authors without registers).
enum class PositionRule { antialiased, plain, offset };

constexpr std::string_view name_of(PositionRule rule) {
  switch (rule) {
  case PositionRule::antialiased:
    return "antialiased";
  case PositionRule::plain:
    return "plain";
  case PositionRule::offset:
    break;
  }
  return "offset";
}

} // namespace d2c
