#pragma once
/// The autoencoder of Stable Diffusion as a type: its facts. The codec is data/sd_vae_codec.hpp.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/data/sd_vae_shape.hpp>

namespace d2c {

/// KL autoencoder f8 (Rombach et al. 2022) with the ft-EMA or ft-MSE decoder: 3 x H x W to
/// 4 x H/8 x W/8.
struct SDVae {
  static constexpr fixed_string text = "SDVae";
  static constexpr std::string_view name = text;
  static constexpr std::string_view config_name = "sd-vae";    ///< value of [data] codec
  static constexpr std::string_view weights = "sd-vae-ft-ema"; ///< as published
  static constexpr SDVaeShape shape{};
  static constexpr int image_channels = SDVaeShape::image_channels;
  static constexpr int channels = shape.latent;
  static constexpr int down = SDVaeShape::down;
};

} // namespace d2c
