#pragma once
/// The network has no variance head: a part of DdpmMatching.

#include <string_view>

namespace d2c {

/// DDPM samples with the posterior's variance.
struct FixedVariance {
  static constexpr std::string_view name = "FixedVariance";
  static constexpr bool learned = false;
};

} // namespace d2c
