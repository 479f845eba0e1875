#pragma once
/// The arithmetic of a diffusion transformer, by its shape.

#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// Operations (multiply and add count as two) of one image through the network, forward. Matrix
/// products only: qkv, projection and MLP per token, attention, and the modulation per image.
constexpr double forward_operations(const NetworkShape& shape) {
  const double width = shape.size.width;
  const double tokens = shape.sequence();
  const double per_token = 2 * width * width * (4 + 2 * shape.size.mlp_ratio) + 4 * tokens * width;
  const double ends = 2.0 * tokens * width * shape.size.patch * shape.size.patch *
                      (shape.channels + shape.out_channels());
  return shape.size.depth * (tokens * per_token + 12 * width * width) + ends;
}

} // namespace d2c
