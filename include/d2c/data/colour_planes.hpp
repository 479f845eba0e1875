#pragma once
/// Interleaved RGB to one plane per colour. Torch-free.

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <d2c/data/byte_image.hpp>

namespace d2c {

namespace colour_planes_detail {

#if defined(__x86_64__)

/// 16 pixels at a time; returns how many pixels are done.
[[gnu::target("ssse3")]] inline std::size_t
separate_blocks(const std::uint8_t* rgb, std::size_t pixels, std::uint8_t* planes) {
  // Byte k of colour c lies at 3 k + c of the 48 bytes; shuffles with -1 leave zeros.
  alignas(16) std::int8_t places[3][3][16];
  for (int c = 0; c < 3; ++c) {
    for (int part = 0; part < 3; ++part) {
      for (int k = 0; k < 16; ++k) {
        const int at = 3 * k + c - 16 * part;
        places[c][part][k] = static_cast<std::int8_t>(at >= 0 && at < 16 ? at : -1);
      }
    }
  }
  std::size_t done = 0;
  for (; done + 16 <= pixels; done += 16, rgb += 48) {
    __m128i parts[3];
    for (int part = 0; part < 3; ++part) {
      parts[part] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rgb + 16 * part));
    }
    for (std::size_t c = 0; c < 3; ++c) {
      __m128i plane = _mm_setzero_si128();
      for (int part = 0; part < 3; ++part) {
        const auto* const place = reinterpret_cast<const __m128i*>(places[c][part]);
        plane = _mm_or_si128(plane, _mm_shuffle_epi8(parts[part], _mm_load_si128(place)));
      }
      _mm_storeu_si128(reinterpret_cast<__m128i*>(planes + c * pixels + done), plane);
    }
  }
  return done;
}

#endif

} // namespace colour_planes_detail

/// Copies an RGB image [height, width, 3] to `planes` [3, height, width].
inline void separate_colours(const ByteImage& image, std::uint8_t* planes) {
  const std::size_t pixels = image.bytes() / 3;
  std::size_t done = 0;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("ssse3") != 0) {
    done = colour_planes_detail::separate_blocks(image.pixels.data(), pixels, planes);
  }
#endif
  for (std::size_t i = done; i < pixels; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      planes[c * pixels + i] = image.pixels[3 * i + c];
    }
  }
}

} // namespace d2c
