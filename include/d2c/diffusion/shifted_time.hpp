#pragma once
/// Training times moved towards noise or towards data.

#include <algorithm>
#include <cstdint>
#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/diffusion/logit_normal_time.hpp>
#include <d2c/diffusion/objective_parts.hpp>
#include <d2c/diffusion/time_distribution.hpp>

namespace d2c {

namespace detail {

template <class Base, class Shift>
constexpr auto shifted_time_name() {
  if constexpr (requires { Shift::name; }) {
    return "ShiftedTime<" + part_name<Base>() + "," + part_name<Shift>() + ">";
  } else {
    return "ShiftedTime<" + part_name<Base>() + "," + ratio_name<Shift>() + ">";
  }
}

} // namespace detail

/// u' = s u / (1 + (s - 1) u) of a time u of Base, the map that `sample.time_shift` applies to a
/// sampler's grid: s > 1 gives more steps at high noise. It adds log s to the logit of u. `Shift`
/// is a std::ratio or ResolutionShift. LightningDiT and others with t = 0 noise write 1 / s for s.
template <TimeDistributionPolicy Base, class Shift>
struct ShiftedTime {
  using role = roles::time_distribution;
  static constexpr auto text = detail::shifted_time_name<Base, Shift>();
  static constexpr std::string_view name = text;

  [[nodiscard]] static double shift() {
    if constexpr (requires { Shift::value(); }) {
      return Shift::value();
    } else {
      static_assert(Shift::num > 0, "a shift of times must be positive");
      return static_cast<double>(Shift::num) / static_cast<double>(Shift::den);
    }
  }

  /// u' of one sample of one training step, never 0 or 1.
  [[nodiscard]] static float draw(std::uint64_t seed, std::uint32_t step, std::uint32_t sample) {
    const double u = Base::draw(seed, step, sample);
    const double s = shift();
    return std::clamp(static_cast<float>(s * u / (1 + (s - 1) * u)), 0x1p-24f, 1 - 0x1p-24f);
  }
};

} // namespace d2c
