#pragma once
/// Which networks have published weights.

#include <string_view>

#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// The name of the file with the published weights of a network of this size on ImageNet latents
/// (DiT and SiT, model cards of 256 x 256 and 512 x 512 pixels); empty if none were published.
[[nodiscard]] constexpr std::string_view published_weights(const NetworkShape& shape) {
  if (shape.size != sizes::XL(2) || shape.classes != 1000 || shape.channels != 4 ||
      shape.height != shape.width) {
    return {};
  }
  const bool dit = shape.family == Family::dit;
  switch (shape.height) {
  case 32:
    return dit ? "DiT-XL-2-256x256.pt" : "SiT-XL-2-256x256.pt";
  case 64:
    return dit ? "DiT-XL-2-512x512.pt" : "";
  default:
    return {};
  }
}

} // namespace d2c
