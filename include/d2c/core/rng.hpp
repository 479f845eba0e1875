#pragma once
/// Counter-based random numbers (Philox4x32-10, Salmon et al., SC 2011). Stateless: a draw depends
/// only on (seed, stream, step, sample, element), so results do not change with batch split, thread
/// count, rank count or resume point. The same code compiles for host and device.

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#if defined(__CUDACC__)
#define D2C_HOST_DEVICE __host__ __device__
#else
#define D2C_HOST_DEVICE
#endif

namespace d2c {

/// What a random number is for. Streams never share numbers; values are part of the file format of
/// resumable runs, so existing ones keep their number for ever.
enum class Stream : std::uint32_t {
  initialisation = 0,
  data_order = 1,
  time = 2,
  noise = 3,
  class_drop = 4,
  text_drop = 5,
  sampler_start = 6,
  sampler_noise = 7,
  score_noise = 8,
  score_time = 9,
  selection = 10,
  posterior = 11,
  evaluation = 12,
  likelihood = 13,
  class_token_noise = 14,
  mirror = 15,
  held_out_noise = 16,
  held_out_images = 17,
  test = 1000,
};

/// One Philox4x32-10 block: four 32-bit words from a 128-bit counter and a 64-bit key.
D2C_HOST_DEVICE constexpr std::array<std::uint32_t, 4>
philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

/// Names one sequence of draws: everything but the element index.
struct Draw {
  std::uint64_t seed = 0;
  Stream stream = Stream::test;
  std::uint32_t step = 0;   ///< training step, epoch, sampler step or score column
  std::uint32_t sample = 0; ///< global sample index, never the position in a batch

  /// Words 4*block .. 4*block+3 of the sequence.
  D2C_HOST_DEVICE constexpr std::array<std::uint32_t, 4> words(std::uint32_t block) const {
    return philox4x32({block, sample, step, static_cast<std::uint32_t>(stream)},
                      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  }
};

/// Maps a word to the open interval (0, 1), on a grid of 2^-24: never 0, never 1, exact in float.
D2C_HOST_DEVICE constexpr float unit_interval(std::uint32_t word) {
  return (static_cast<float>(word >> 9) + 0.5f) * 0x1p-23f;
}

/// Four standard normals from one block by Box-Muller.
D2C_HOST_DEVICE inline std::array<float, 4> standard_normals(std::array<std::uint32_t, 4> words) {
  constexpr float two_pi = 2.0f * std::numbers::pi_v<float>;
  const float r0 = std::sqrt(-2.0f * std::log(unit_interval(words[0])));
  const float r1 = std::sqrt(-2.0f * std::log(unit_interval(words[2])));
  const float a0 = two_pi * unit_interval(words[1]);
  const float a1 = two_pi * unit_interval(words[3]);
  return {r0 * std::cos(a0), r0 * std::sin(a0), r1 * std::cos(a1), r1 * std::sin(a1)};
}

/// Fills out[0..count) with standard normals of the sequence `draw`.
inline void fill_normal(const Draw& draw, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 4) {
    const auto normals = standard_normals(draw.words(static_cast<std::uint32_t>(i / 4)));
    for (std::int64_t j = 0; j < 4 && i + j < count; ++j) {
      out[i + j] = normals[static_cast<std::size_t>(j)];
    }
  }
}

/// Element `index` of the sequence as a uniform number in (0, 1).
constexpr float uniform(const Draw& draw, std::uint32_t index = 0) {
  return unit_interval(draw.words(index / 4)[index % 4]);
}

/// A permutation of 0..n-1 (Fisher-Yates over 64-bit words; the modulo bias is below n / 2^64).
inline std::vector<std::int64_t> permutation(const Draw& draw, std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) {
    order[static_cast<std::size_t>(i)] = i;
  }
  for (std::int64_t i = n - 1; i > 0; --i) {
    const auto words = draw.words(static_cast<std::uint32_t>(i));
    const std::uint64_t wide = (std::uint64_t{words[0]} << 32) | words[1];
    const auto j = static_cast<std::size_t>(wide % static_cast<std::uint64_t>(i + 1));
    std::swap(order[static_cast<std::size_t>(i)], order[j]);
  }
  return order;
}

} // namespace d2c
