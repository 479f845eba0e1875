#pragma once
/// The network has a head for the variance: a part of DdpmMatching.

#include <string_view>

namespace d2c {

/// The head interpolates between the least and the largest log variance of a step and is trained by
/// the variational bound alone (Nichol & Dhariwal 2021, eq. 15 and 16; DiT).
struct LearnedRange {
  static constexpr std::string_view name = "LearnedRange";
  static constexpr bool learned = true;
};

} // namespace d2c
