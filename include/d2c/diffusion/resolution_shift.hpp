#pragma once
/// The shift of training times for a larger latent: a factor for ShiftedTime.

#include <cmath>
#include <cstdint>
#include <string_view>

#include <d2c/core/fixed_string.hpp>

namespace d2c {

/// sqrt(Elements / Reference): what keeps the uncertainty of the image at a time when it has so
/// many elements instead of those of the latents that the times were tuned on (Esser et al. 2024,
/// eq. 23). Count the same in both: tokens, or values.
template <std::int64_t Elements, std::int64_t Reference = 4096>
struct ResolutionShift {
  static_assert(Elements > 0 && Reference > 0, "a resolution shift needs positive sizes");
  static constexpr auto text =
      "ResolutionShift<" + decimal<Elements>() + "," + decimal<Reference>() + ">";
  static constexpr std::string_view name = text;

  [[nodiscard]] static double value() {
    return std::sqrt(static_cast<double>(Elements) / static_cast<double>(Reference));
  }
};

} // namespace d2c
