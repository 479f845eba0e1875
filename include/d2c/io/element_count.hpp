#pragma once
/// How many numbers a tensor of a shape has. Torch-free.

#include <cstdint>
#include <span>

namespace d2c {

/// The product of the extents, 1 for a scalar. The caller knows that an int64 holds it.
[[nodiscard]] constexpr std::int64_t element_count(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    count *= extent;
  }
  return count;
}

} // namespace d2c
