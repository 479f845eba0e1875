#pragma once
/// The two passes of image resampling over 8-bit samples: portable loops and AVX2 ones with the
/// same bits, chosen when the program runs. Torch-free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <d2c/data/resample_weights.hpp>

namespace d2c::resample_detail {

/// What a pass reads: `rows` rows of `row_bytes` bytes, one behind the other.
struct ImageRows {
  const std::uint8_t* data = nullptr;
  std::size_t row_bytes = 0;
  int rows = 0;

  [[nodiscard]] const std::uint8_t* row(int i) const {
    return data + static_cast<std::size_t>(i) * row_bytes;
  }
};

inline std::uint8_t to_byte(std::int32_t sum) {
  return static_cast<std::uint8_t>(std::clamp(sum >> fraction_bits, 0, 255));
}

inline constexpr std::int32_t half = 1 << (fraction_bits - 1);

/// Along the rows: every row of `in` becomes windows.size() pixels at `out`. Window positions are
/// relative to `origin`, the pixel that rows begin with.
inline void horizontal_portable(const ImageRows& in, int channels, const ResampleWeights& along,
                                int origin, std::uint8_t* out) {
  for (int y = 0; y < in.rows; ++y) {
    for (std::size_t x = 0; x < along.windows.size(); ++x) {
      const auto& window = along.windows[x];
      const std::int32_t* const weights = along.weights.data() + x * along.stride;
      const std::uint8_t* const from =
          in.row(y) + static_cast<std::size_t>(window.first - origin) * channels;
      for (int c = 0; c < channels; ++c) {
        std::int32_t sum = half;
        for (int i = 0; i < window.count; ++i) {
          sum += from[i * channels + c] * weights[i];
        }
        *out++ = to_byte(sum);
      }
    }
  }
}

/// Samples [begin, end) of one row of the vertical pass.
inline void vertical_portable(const ImageRows& in, const ResampleWeights::Window& window,
                              int origin, const std::int32_t* weights, std::size_t begin,
                              std::size_t end, std::uint8_t* out) {
  for (std::size_t x = begin; x < end; ++x) {
    std::int32_t sum = half;
    for (int i = 0; i < window.count; ++i) {
      sum += in.row(window.first - origin + i)[x] * weights[i];
    }
    out[x] = to_byte(sum);
  }
}

#if defined(__x86_64__)

/// Weights as 16-bit halves, k = 2^12 high + low, two neighbours to a word: the AVX2 passes
/// multiply pairs of samples with pairs of halves. Sums wrap modulo 2^32, the result does not.
inline constexpr int low_bits = 12;

inline std::vector<std::int32_t> paired_halves(const ResampleWeights& along) {
  std::vector<std::int32_t> words(along.weights.size());
  const auto pair = [](std::int32_t a, std::int32_t b) {
    return static_cast<std::int32_t>((static_cast<std::uint32_t>(a) & 0xffffU) |
                                     (static_cast<std::uint32_t>(b) << 16U));
  };
  for (std::size_t i = 0; i < words.size(); i += 2) {
    const std::int32_t a = along.weights[i];
    const std::int32_t b = along.weights[i + 1];
    words[i] = pair(a >> low_bits, b >> low_bits);
    constexpr std::int32_t low = (1 << low_bits) - 1;
    words[i + 1] = pair(a & low, b & low);
  }
  return words;
}

/// Takes samples `tap` and `tap` + 1 of each channel from 16 interleaved bytes as 16-bit pairs.
inline void fill_pair_shuffle(int channels, int tap, std::int8_t* shuffle) {
  for (int c = 0; c < 4; ++c) {
    const bool there = c < channels;
    shuffle[4 * c] = static_cast<std::int8_t>(there ? tap * channels + c : -1);
    shuffle[4 * c + 1] = -1;
    shuffle[4 * c + 2] = static_cast<std::int8_t>(there ? (tap + 1) * channels + c : -1);
    shuffle[4 * c + 3] = -1;
  }
}

/// Two rows at once, one in each half of a register. Reads up to 16 bytes behind a row's end.
template <int channels>
[[gnu::target("avx2")]] inline void
horizontal_two_rows(const std::uint8_t* a, const std::uint8_t* b, const ResampleWeights& along,
                    int origin, const std::int32_t* halves, std::uint8_t* out_a,
                    std::uint8_t* out_b) {
  alignas(16) std::int8_t taps[2][16];
  fill_pair_shuffle(channels, 0, taps[0]);
  fill_pair_shuffle(channels, 2, taps[1]);
  const __m256i first =
      _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(taps[0])));
  const __m256i second =
      _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(taps[1])));
  const __m256i rounding = _mm256_set1_epi32(half);
  for (std::size_t x = 0; x < along.windows.size(); ++x) {
    const auto& window = along.windows[x];
    const auto offset = static_cast<std::size_t>(window.first - origin) * channels;
    const std::uint8_t* from_a = a + offset;
    const std::uint8_t* from_b = b + offset;
    const std::int32_t* words = halves + x * along.stride;
    __m256i high = _mm256_setzero_si256();
    __m256i low = rounding;
    for (int i = 0; i < window.count; i += 4) {
      const __m256i four = _mm256_inserti128_si256(
          _mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from_a))),
          _mm_loadu_si128(reinterpret_cast<const __m128i*>(from_b)), 1);
      const __m256i one = _mm256_shuffle_epi8(four, first);
      const __m256i two = _mm256_shuffle_epi8(four, second);
      high = _mm256_add_epi32(high, _mm256_madd_epi16(one, _mm256_set1_epi32(words[0])));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(one, _mm256_set1_epi32(words[1])));
      high = _mm256_add_epi32(high, _mm256_madd_epi16(two, _mm256_set1_epi32(words[2])));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(two, _mm256_set1_epi32(words[3])));
      from_a += 4 * channels;
      from_b += 4 * channels;
      words += 4;
    }
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, low_bits), low);
    sum = _mm256_srai_epi32(sum, fraction_bits);
    sum = _mm256_packs_epi32(sum, sum);
    sum = _mm256_packus_epi16(sum, sum);
    const std::int32_t made_a = _mm256_extract_epi32(sum, 0);
    const std::int32_t made_b = _mm256_extract_epi32(sum, 4);
    std::memcpy(out_a, &made_a, channels);
    std::memcpy(out_b, &made_b, channels);
    out_a += channels;
    out_b += channels;
  }
}

template <int channels>
inline void horizontal_avx2(const ImageRows& in, const ResampleWeights& along, int origin,
                            std::uint8_t* out) {
  constexpr std::size_t over_read = 16;
  const std::vector<std::int32_t> halves = paired_halves(along);
  const std::size_t total = static_cast<std::size_t>(in.rows) * in.row_bytes;
  const std::size_t out_bytes = along.windows.size() * channels;
  // Rows near the end of the buffer are read from copies with room behind them.
  std::vector<std::uint8_t> copies;
  for (int y = 0; y < in.rows; y += 2) {
    const int other = std::min(y + 1, in.rows - 1);
    const std::uint8_t* a = in.row(y);
    const std::uint8_t* b = in.row(other);
    if (static_cast<std::size_t>(other + 1) * in.row_bytes + over_read > total) {
      const std::size_t room = in.row_bytes + over_read;
      copies.assign(2 * room, 0);
      std::memcpy(copies.data(), a, in.row_bytes);
      std::memcpy(copies.data() + room, b, in.row_bytes);
      a = copies.data();
      b = copies.data() + room;
    }
    horizontal_two_rows<channels>(a, b, along, origin, halves.data(),
                                  out + static_cast<std::size_t>(y) * out_bytes,
                                  out + static_cast<std::size_t>(other) * out_bytes);
  }
}

/// 32 samples of one row of the vertical pass, from position x on.
[[gnu::target("avx2"), gnu::always_inline]] inline void
vertical_block(const ImageRows& in, const ResampleWeights::Window& window, int origin,
               const std::int32_t* words, std::size_t x, std::uint8_t* out) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i rounding = _mm256_set1_epi32(half);
  __m256i high0 = zero;
  __m256i high1 = zero;
  __m256i high2 = zero;
  __m256i high3 = zero;
  __m256i low0 = rounding;
  __m256i low1 = rounding;
  __m256i low2 = rounding;
  __m256i low3 = rounding;
  const std::uint8_t* from = in.row(window.first - origin) + x;
  for (int i = 0; i < window.count; i += 2) {
    // Behind an odd window the weight is zero, but the row may not be there.
    const std::uint8_t* const next = i + 1 < window.count ? from + in.row_bytes : from;
    const __m256i a = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m256i b = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(next));
    const __m256i left = _mm256_unpacklo_epi8(a, b);
    const __m256i right = _mm256_unpackhi_epi8(a, b);
    const __m256i p0 = _mm256_unpacklo_epi8(left, zero);
    const __m256i p1 = _mm256_unpackhi_epi8(left, zero);
    const __m256i p2 = _mm256_unpacklo_epi8(right, zero);
    const __m256i p3 = _mm256_unpackhi_epi8(right, zero);
    const __m256i high = _mm256_set1_epi32(words[0]);
    const __m256i low = _mm256_set1_epi32(words[1]);
    high0 = _mm256_add_epi32(high0, _mm256_madd_epi16(p0, high));
    high1 = _mm256_add_epi32(high1, _mm256_madd_epi16(p1, high));
    high2 = _mm256_add_epi32(high2, _mm256_madd_epi16(p2, high));
    high3 = _mm256_add_epi32(high3, _mm256_madd_epi16(p3, high));
    low0 = _mm256_add_epi32(low0, _mm256_madd_epi16(p0, low));
    low1 = _mm256_add_epi32(low1, _mm256_madd_epi16(p1, low));
    low2 = _mm256_add_epi32(low2, _mm256_madd_epi16(p2, low));
    low3 = _mm256_add_epi32(low3, _mm256_madd_epi16(p3, low));
    from += 2 * in.row_bytes;
    words += 2;
  }
  const __m256i s0 = _mm256_add_epi32(_mm256_slli_epi32(high0, low_bits), low0);
  const __m256i s1 = _mm256_add_epi32(_mm256_slli_epi32(high1, low_bits), low1);
  const __m256i s2 = _mm256_add_epi32(_mm256_slli_epi32(high2, low_bits), low2);
  const __m256i s3 = _mm256_add_epi32(_mm256_slli_epi32(high3, low_bits), low3);
  const __m256i left = _mm256_packs_epi32(_mm256_srai_epi32(s0, fraction_bits),
                                          _mm256_srai_epi32(s1, fraction_bits));
  const __m256i right = _mm256_packs_epi32(_mm256_srai_epi32(s2, fraction_bits),
                                           _mm256_srai_epi32(s3, fraction_bits));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + x), _mm256_packus_epi16(left, right));
}

[[gnu::target("avx2")]] inline void vertical_avx2(const ImageRows& in,
                                                  const ResampleWeights::Window& window, int origin,
                                                  const std::int32_t* words, std::size_t begin,
                                                  std::size_t end, std::uint8_t* out) {
  constexpr std::size_t block = 32;
  std::size_t x = begin;
  for (; x + block <= end; x += block) {
    vertical_block(in, window, origin, words, x, out);
  }
  if (x < end) {
    vertical_block(in, window, origin, words, end - block, out); // again in part, to the same bytes
  }
}

#endif

inline bool cpu_has_avx2() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx2") != 0;
#else
  return false;
#endif
}

/// Along the rows; `out` gets [in.rows, along.windows.size(), channels].
inline void horizontal_pass(const ImageRows& in, int channels, const ResampleWeights& along,
                            int origin, bool vectorised, std::uint8_t* out) {
#if defined(__x86_64__)
  if (vectorised && channels == 1) {
    return horizontal_avx2<1>(in, along, origin, out);
  }
  if (vectorised && channels == 3) {
    return horizontal_avx2<3>(in, along, origin, out);
  }
  if (vectorised && channels == 4) {
    return horizontal_avx2<4>(in, along, origin, out);
  }
#endif
  static_cast<void>(vectorised);
  horizontal_portable(in, channels, along, origin, out);
}

/// Down the columns, of which only the samples [begin, end) of each row are made; `out` gets
/// [down.windows.size(), end - begin].
inline void vertical_pass(const ImageRows& in, const ResampleWeights& down, int origin,
                          std::size_t begin, std::size_t end, bool vectorised, std::uint8_t* out) {
  const ImageRows part{in.data + begin, in.row_bytes, in.rows};
  const std::size_t samples = end - begin;
#if defined(__x86_64__)
  if (vectorised && samples >= 32) {
    const std::vector<std::int32_t> halves = paired_halves(down);
    for (std::size_t y = 0; y < down.windows.size(); ++y) {
      vertical_avx2(part, down.windows[y], origin, halves.data() + y * down.stride, 0, samples,
                    out + y * samples);
    }
    return;
  }
#endif
  static_cast<void>(vectorised);
  for (std::size_t y = 0; y < down.windows.size(); ++y) {
    vertical_portable(part, down.windows[y], origin, down.weights.data() + y * down.stride, 0,
                      samples, out + y * samples);
  }
}

} // namespace d2c::resample_detail
