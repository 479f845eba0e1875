#pragma once
/// Guidance: its strength, where along the way it acts, and on what.

#include <cmath>
#include <string>

#include <d2c/diffusion/guidance_null.hpp>

namespace d2c {

/// Prediction = reference + scale (conditional - reference) for low <= t <= high with t = 0 data
/// and t = 1 noise (for integer times t = index / 1000). Outside the interval, and with scale 1,
/// the network is asked for the conditional part alone (Kynkaanniemi et al. 2024; REPA). The
/// reference is the prediction without conditions (classifier-free guidance, Ho & Salimans 2022),
/// or a weaker network's with them (autoguidance, Karras et al. 2024). With
/// GuidanceNull::independent: null + text_scale (text - null) + scale (both - text).
struct Guidance {
  double scale = 1.0;
  double low = 0.0;
  double high = 1.0;
  int channels = 0; ///< only the first so many are guided (DiT and SiT: 3); 0: all
  GuidanceNull null = GuidanceNull::joint;
  double text_scale = 1.0;        ///< read by GuidanceNull::independent
  double class_token_scale = 0.0; ///< of a class token where guidance acts; 0: unguided (REG)

  [[nodiscard]] bool acts_at(double t) const {
    return (scale != 1 || (null == GuidanceNull::independent && text_scale != 1)) && low <= t &&
           t <= high;
  }

  /// Empty, or what is wrong with the values.
  [[nodiscard]] std::string refusal() const {
    for (const double value : {scale, text_scale, class_token_scale}) {
      if (!std::isfinite(value) || value < 0) {
        return "the guidance scale must be zero or a positive number, found " +
               std::to_string(value);
      }
    }
    if (!(0 <= low && low <= high && high <= 1)) {
      return "the guidance interval must satisfy 0 <= low <= high <= 1, found [" +
             std::to_string(low) + ", " + std::to_string(high) + "]";
    }
    if (channels < 0) {
      return "the number of guided channels must be zero (all) or a positive number, found " +
             std::to_string(channels);
    }
    if (text_scale != 1 && null != GuidanceNull::independent) {
      return "the guidance scale of the text acts with independent nulls only, found " +
             std::to_string(text_scale) + " with \"" + std::string(option_name(null)) + "\"";
    }
    return {};
  }
};

} // namespace d2c
