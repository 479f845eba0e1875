#pragma once
/// The configuration section [sample]. Without guidance by default. The published evaluation of
/// class-conditional ImageNet models takes 50 images of every class in 250 steps.

#include <cstdint>
#include <string_view>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// How many images are drawn and how.
struct SampleConfig {
  static constexpr std::string_view section = "sample";

  std::int64_t images_per_class = 50;
  std::int64_t steps = 12;   ///< solver steps
  double guidance = 1.0;     ///< classifier-free guidance scale; 1: none
  double guidance_low = 0.0; ///< guidance acts for low <= t <= high, t = 0 data, t = 1 noise
  double guidance_high = 1.0;
  double time_shift = 1.0;         ///< t' = s t / (1 + (s - 1) t); 1: none
  std::int64_t batch = 100;        ///< images per batch; does not change the images
  std::int64_t grid_per_class = 8; ///< images per class in grid.png
};

} // namespace d2c

D2C_CONFIG(d2c::SampleConfig, images_per_class, steps, guidance, guidance_low, guidance_high,
           time_shift, batch, grid_per_class)
