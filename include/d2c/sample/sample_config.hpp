#pragma once
/// The configuration section [sample]. Without guidance by default. The published evaluation of
/// class-conditional ImageNet models takes 50 images of every class in 250 steps.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// How many images are drawn and how.
struct SampleConfig {
  static constexpr std::string_view section = "sample";
  static constexpr std::array<std::string_view, 1> no_effect = {"batch"};

  std::int64_t images_per_class = 50;
  std::int64_t steps = 12;   ///< solver steps
  double guidance = 1.0;     ///< guidance scale; 1: none
  double guidance_low = 0.0; ///< guidance acts for low <= t <= high, t = 0 data, t = 1 noise
  double guidance_high = 1.0;
  std::int64_t guidance_channels = 0;  ///< the first so many are guided; 0: all
  std::string guidance_null = "joint"; ///< conditions the reference lacks; see GuidanceNull
  double guidance_text = 1.0;          ///< scale of the text with guidance_null "independent"
  double guidance_class_token = 0.0;   ///< scale of REG's class token; 0: not guided
  std::string guide_checkpoint;        ///< a weaker denoiser as the reference; empty: none
  double time_shift = 1.0;             ///< t' = s t / (1 + (s - 1) t); 1: none
  double rtol = 1e-3;                  ///< adaptive: relative tolerance
  double atol = 1e-6;                  ///< adaptive: absolute tolerance
  std::string step_control = "sample"; ///< adaptive: whose error counts; see StepControl
  std::string diffusion = "sigma";     ///< stochastic: see DiffusionForm
  double diffusion_norm = 1.0;         ///< stochastic: strength of the noise
  std::string last_step = "mean";      ///< stochastic: see LastStep
  double last_step_size = 0.04;        ///< stochastic: where the last step starts
  double eta = 0.0;                    ///< DDIM: 0 without noise, 1 as much as DDPM
  std::string spacing = "respaced";    ///< steps of a DDPM schedule; see StepSpacing
  std::int64_t batch = 100;            ///< images per batch; does not change the images
  std::int64_t grid_per_class = 8;     ///< images per class in grid.png

  /// torchdiffeq's step control makes the images depend on their batch.
  [[nodiscard]] bool decides(std::string_view key) const {
    return key == "batch" && step_control == "torchdiffeq";
  }
};

} // namespace d2c

D2C_CONFIG(d2c::SampleConfig, images_per_class, steps, guidance, guidance_low, guidance_high,
           guidance_channels, guidance_null, guidance_text, guidance_class_token, guide_checkpoint,
           time_shift, rtol, atol, step_control, diffusion, diffusion_norm, last_step,
           last_step_size, eta, spacing, batch, grid_per_class)
