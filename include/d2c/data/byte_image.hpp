#pragma once
/// One 8-bit image of any size in memory. Torch-free.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace d2c {

/// Interleaved rows [height, width, channels], top row first: 1 channel is grey, 3 are RGB, 4 are
/// RGB and opacity (not premultiplied).
struct ByteImage {
  int width = 0;
  int height = 0;
  int channels = 0;
  std::vector<std::uint8_t> pixels;

  [[nodiscard]] std::size_t row_bytes() const {
    return static_cast<std::size_t>(width) * static_cast<std::size_t>(channels);
  }

  [[nodiscard]] std::size_t bytes() const { return row_bytes() * static_cast<std::size_t>(height); }
};

} // namespace d2c
