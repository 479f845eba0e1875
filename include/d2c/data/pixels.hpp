#pragma once
/// The codec that leaves images as they are, as a type: its facts. Its body is
/// data/pixels_codec.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// Model space is x / 127.5 - 1 of the 8-bit pixels, same size. Source policy of role codec.
struct Pixels {
  using role = roles::codec;
  static constexpr std::string_view name = "Pixels";
  static constexpr std::string_view config_name = "pixels"; ///< value of [data] codec

  static constexpr bool accepts(int channels, int height, int width) {
    return channels > 0 && height > 0 && width > 0;
  }

  static constexpr int latent_channels(int image_channels) { return image_channels; }

  static constexpr int latent_extent(int pixels) { return pixels; }
};

} // namespace d2c
