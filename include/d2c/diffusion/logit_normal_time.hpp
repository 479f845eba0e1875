#pragma once
/// Training times drawn from a logit-normal distribution.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ratio>
#include <string>
#include <string_view>

#include <d2c/core/rng.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// u = 1 / (1 + exp(-(mean + deviation n))), n ~ N(0, 1): more steps at middle times (Esser et al.
/// 2024, section 3.1). Parameters are std::ratio types, such as
/// `LogitNormal<std::ratio<-1, 2>, std::ratio<1>>`.
template <class Mean = std::ratio<0>, class Deviation = std::ratio<1>>
struct LogitNormal {
  using role = roles::time_distribution;
  static constexpr double mean = static_cast<double>(Mean::num) / Mean::den;
  static constexpr double deviation = static_cast<double>(Deviation::num) / Deviation::den;
  static_assert(deviation > 0, "a logit-normal distribution needs a positive deviation");

  /// u of one sample of one training step, never 0 or 1.
  [[nodiscard]] static float draw(std::uint64_t seed, std::uint32_t step, std::uint32_t sample) {
    const Draw draw{.seed = seed, .stream = Stream::time, .step = step, .sample = sample};
    const double logit = mean + deviation * standard_normals(draw.words(0))[0];
    return std::clamp(static_cast<float>(1 / (1 + std::exp(-logit))), 0x1p-24f, 1 - 0x1p-24f);
  }

private:
  static const std::string& full_name() {
    static const std::string text = [] {
      const auto number = [](std::intmax_t num, std::intmax_t den) {
        return std::to_string(num) + (den == 1 ? "" : "/" + std::to_string(den));
      };
      return mean == 0 && deviation == 1 ? std::string("LogitNormalTime")
                                         : "LogitNormal<" + number(Mean::num, Mean::den) + "," +
                                               number(Deviation::num, Deviation::den) + ">";
    }();
    return text;
  }

public:
  static inline const std::string_view name = full_name();
};

/// The logit-normal distribution with mean 0 and deviation 1.
using LogitNormalTime = LogitNormal<>;

} // namespace d2c
