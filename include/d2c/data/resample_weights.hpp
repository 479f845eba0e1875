#pragma once
/// The weights of image resampling along one axis, in Pillow's fixed point. Torch-free.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

namespace d2c {

/// Pillow's filters of these names; bicubic has a = -0.5, lanczos three lobes.
enum class ResampleFilter { box, bilinear, bicubic, lanczos };

/// For every output position of an axis: the first input position it depends on, how many there
/// are, and their weights times 2^22.
struct ResampleWeights {
  struct Window {
    int first = 0;
    int count = 0;
  };

  std::vector<Window> windows;       ///< [outputs]
  std::size_t stride = 0;            ///< weights per output, a multiple of 4
  std::vector<std::int32_t> weights; ///< [outputs, stride], zeros behind the window

  /// Input positions that any output depends on: [begin(), end()).
  [[nodiscard]] int begin() const { return windows.front().first; }

  [[nodiscard]] int end() const { return windows.back().first + windows.back().count; }
};

namespace resample_detail {

inline constexpr int fraction_bits = 22;

inline double reach(ResampleFilter filter) {
  switch (filter) {
  case ResampleFilter::box:
    return 0.5;
  case ResampleFilter::bilinear:
    return 1.0;
  case ResampleFilter::bicubic:
    return 2.0;
  case ResampleFilter::lanczos:
    break;
  }
  return 3.0;
}

inline double sinc(double x) {
  return x == 0.0 ? 1.0 : std::sin(x * std::numbers::pi) / (x * std::numbers::pi);
}

// Fused multiply-adds would change the last bit of a weight, so they are switched off here.
#if !defined(__clang__)
[[gnu::optimize("fp-contract=off")]]
#endif
inline double
filter_value(ResampleFilter filter, double x) {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
  const double d = std::abs(x);
  switch (filter) {
  case ResampleFilter::box:
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
  case ResampleFilter::bilinear:
    return d < 1.0 ? 1.0 - d : 0.0;
  case ResampleFilter::bicubic: {
    constexpr double a = -0.5;
    if (d < 1.0) {
      return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    }
    return d < 2.0 ? (((d - 5.0) * d + 8.0) * d - 4.0) * a : 0.0;
  }
  case ResampleFilter::lanczos:
    break;
  }
  return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

} // namespace resample_detail

/// Weights of the outputs [begin, end) when an axis of `in` positions becomes one of `out`. The
/// filter is widened by in / out when shrinking (antialiased), its weights are normalised in double
/// and rounded half away from zero to 22 fractional bits, as Pillow does for 8-bit images.
#if !defined(__clang__)
[[gnu::optimize("fp-contract=off")]]
#endif
inline ResampleWeights
resample_weights(int in, int out, ResampleFilter filter, int begin, int end) {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
  const double scale = static_cast<double>(static_cast<float>(in)) / out;
  const double widened = std::max(scale, 1.0);
  const double support = resample_detail::reach(filter) * widened;
  const double inverse = 1.0 / widened;
  const auto widest = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;

  ResampleWeights made;
  made.stride = (widest + 3) / 4 * 4;
  made.windows.resize(static_cast<std::size_t>(end - begin));
  made.weights.assign(made.windows.size() * made.stride, 0);
  std::vector<double> exact(widest);
  for (int position = begin; position < end; ++position) {
    const auto index = static_cast<std::size_t>(position - begin);
    const double centre = (position + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(std::trunc(centre - support + 0.5)));
    const double behind = std::trunc(centre + support + 0.5); // may lie beyond every int
    const int count = static_cast<int>(std::min<double>(in, behind)) - first;
    double sum = 0.0;
    for (int i = 0; i < count; ++i) {
      const double value =
          resample_detail::filter_value(filter, (i + first - centre + 0.5) * inverse);
      exact[static_cast<std::size_t>(i)] = value;
      sum += value;
    }
    made.windows[index] = {first, count};
    std::int32_t* const weights = made.weights.data() + index * made.stride;
    for (int i = 0; i < count; ++i) {
      double value = exact[static_cast<std::size_t>(i)];
      if (sum != 0.0) {
        value /= sum;
      }
      const double scaled = value * (1 << resample_detail::fraction_bits);
      weights[i] = static_cast<std::int32_t>(value < 0 ? scaled - 0.5 : scaled + 0.5);
    }
  }
  return made;
}

} // namespace d2c
