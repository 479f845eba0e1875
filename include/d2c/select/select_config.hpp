#pragma once
/// The `[select]` section of a configuration.

#include <cstdint>
#include <string_view>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// How many images of a class are kept, and how far apart in difficulty.
struct SelectConfig {
  static constexpr std::string_view section = "select";

  std::int64_t per_class = 0;   ///< images kept of every class, for PerClass<>
  std::int64_t interval = 0;    ///< k of Interval<>; 0: round(0.7 * class size / per_class)
  std::int64_t seed_offset = 0; ///< added to the run's seed, to draw another random subset
};

} // namespace d2c

D2C_CONFIG(d2c::SelectConfig, per_class, interval, seed_offset)
