#pragma once
/// The sizes of a KL autoencoder of Stable Diffusion's design. Torch-free.

#include <array>

namespace d2c {

/// Four levels with three halvings between them, `layers` residual blocks at a level of the encoder
/// and one more at one of the decoder, attention in the middle alone. The defaults are those of
/// Stable Diffusion 1 and 2 (Rombach et al. 2022, f = 8).
struct SDVaeShape {
  std::array<int, 4> channels{128, 256, 512, 512}; ///< by level, the finest first
  int layers = 2;
  int latent = 4;  ///< channels of the latent
  int groups = 32; ///< of the group norms

  static constexpr int levels = 4;
  static constexpr int image_channels = 3;
  static constexpr int down = 8;

  friend constexpr bool operator==(const SDVaeShape&, const SDVaeShape&) = default;
};

} // namespace d2c
