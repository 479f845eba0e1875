#pragma once
/// Training times drawn from a logit-normal distribution.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ratio>
#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

namespace detail {

template <class Ratio>
constexpr auto ratio_name() {
  if constexpr (Ratio::den == 1) {
    return decimal<Ratio::num>();
  } else {
    return decimal<Ratio::num>() + "/" + decimal<Ratio::den>();
  }
}

template <class Mean, class Deviation>
constexpr auto logit_normal_name() {
  if constexpr (Mean::num == 0 && Deviation::num == Deviation::den) {
    return fixed_string("LogitNormalTime");
  } else {
    return "LogitNormal<" + ratio_name<Mean>() + "," + ratio_name<Deviation>() + ">";
  }
}

} // namespace detail

/// u = 1 / (1 + exp(-(mean + deviation n))), n ~ N(0, 1): more steps at middle times (Esser et al.
/// 2024, section 3.1). Parameters are std::ratio types, such as
/// `LogitNormal<std::ratio<-1, 2>, std::ratio<1>>`.
template <class Mean = std::ratio<0>, class Deviation = std::ratio<1>>
struct LogitNormal {
  using role = roles::time_distribution;
  static constexpr auto text = detail::logit_normal_name<Mean, Deviation>();
  static constexpr std::string_view name = text;
  static constexpr double mean = static_cast<double>(Mean::num) / Mean::den;
  static constexpr double deviation = static_cast<double>(Deviation::num) / Deviation::den;
  static_assert(deviation > 0, "a logit-normal distribution needs a positive deviation");

  /// u of one sample of one training step, never 0 or 1.
  [[nodiscard]] static float draw(std::uint64_t seed, std::uint32_t step, std::uint32_t sample) {
    const Draw draw{.seed = seed, .stream = Stream::time, .step = step, .sample = sample};
    const double logit = mean + deviation * standard_normals(draw.words(0))[0];
    return std::clamp(static_cast<float>(1 / (1 + std::exp(-logit))), 0x1p-24f, 1 - 0x1p-24f);
  }
};

/// The logit-normal distribution with mean 0 and deviation 1.
using LogitNormalTime = LogitNormal<>;

} // namespace d2c
