#pragma once
/// How much compressed data may unpack to, so that a small file cannot ask for all memory.

#include <algorithm>
#include <cstdint>

namespace d2c {

/// The most bytes that `packed` bytes of deflate data may claim: no more than the format can hold
/// (1032-fold), and beyond 1 GiB no more than a hundredfold.
[[nodiscard]] constexpr std::uint64_t inflation_limit(std::uint64_t packed) {
  constexpr std::uint64_t gibibyte = std::uint64_t{1} << 30;
  const std::uint64_t files = std::min(packed, std::uint64_t{1} << 50); // keeps products in range
  return std::min(files * 1032, std::max(gibibyte, files * 100));
}

} // namespace d2c
