#pragma once
/// Training times drawn uniformly.

#include <cstdint>
#include <string_view>

#include <d2c/core/rng.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// u ~ U(0, 1): the choice of DDPM, SiT, REPA and the paper.
struct UniformTime {
  using role = roles::time_distribution;
  static constexpr std::string_view name = "UniformTime";

  /// u of one sample of one training step, never 0 or 1.
  [[nodiscard]] static float draw(std::uint64_t seed, std::uint32_t step, std::uint32_t sample) {
    return uniform({.seed = seed, .stream = Stream::time, .step = step, .sample = sample});
  }
};

} // namespace d2c
