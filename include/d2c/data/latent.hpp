#pragma once
/// Codecs that encode into the latent space of an autoencoder, as types: their facts.

#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/data/sd_vae.hpp>

namespace d2c {

/// Latent<SDVae>: images are encoded once, the denoiser works on latents. Source policy of role
/// codec. `Autoencoder` gives image_channels, channels, down, weights, name and config_name.
template <class Autoencoder>
struct Latent {
  using role = roles::codec;
  static constexpr auto text = "Latent<" + Autoencoder::text + ">";
  static constexpr std::string_view name = text;
  static constexpr std::string_view config_name = Autoencoder::config_name;
  static constexpr std::string_view weights = Autoencoder::weights; ///< named by codec_weights

  static constexpr bool accepts(int channels, int height, int width) {
    return channels == Autoencoder::image_channels && height > 0 && width > 0 &&
           height % Autoencoder::down == 0 && width % Autoencoder::down == 0;
  }

  static constexpr int latent_channels(int) { return Autoencoder::channels; }

  static constexpr int latent_extent(int pixels) { return pixels / Autoencoder::down; }
};

} // namespace d2c
