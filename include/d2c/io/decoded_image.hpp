#pragma once
/// An image in memory as the decoders return it.

#include <cstdint>
#include <vector>

namespace d2c {

/// One decoded image: 8-bit RGB rows [height, width, 3], top row first.
struct DecodedImage {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

} // namespace d2c
