#pragma once
/// How large an image the decoders accept, and the refusal of a larger one.

#include <cstdint>
#include <string>

#include <d2c/core/error.hpp>

namespace d2c {

/// Twice 2^30 / 12, the size at which Pillow calls an image a decompression bomb.
inline constexpr std::uint64_t default_pixel_limit = 178'956'970;

/// InputError if an image of that size exceeds the limit. Called with a header's numbers, before
/// anything is allocated for them.
inline void check_pixel_limit(const std::string& where, std::uint64_t width, std::uint64_t height,
                              std::uint64_t limit) {
  if (width != 0 && height > limit / width) {
    throw InputError(where + ": expected at most " + std::to_string(limit) +
                     " pixels, found a header that says " + std::to_string(width) + " x " +
                     std::to_string(height));
  }
}

} // namespace d2c
