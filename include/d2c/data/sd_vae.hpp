#pragma once
/// The autoencoder of Stable Diffusion as a type: its facts.

#include <string_view>

#include <d2c/core/fixed_string.hpp>

namespace d2c {

/// KL autoencoder f8 (Rombach et al. 2022) with the ft-EMA or ft-MSE decoder: 3 x H x W to
/// 4 x H/8 x W/8.
struct SDVae {
  static constexpr fixed_string text = "SDVae";
  static constexpr std::string_view name = text;
  static constexpr std::string_view config_name = "sd-vae";    ///< value of [data] codec
  static constexpr std::string_view weights = "sd-vae-ft-ema"; ///< as published
  static constexpr int image_channels = 3;
  static constexpr int channels = 4;
  static constexpr int down = 8;
};

} // namespace d2c
