#pragma once
/// Images to rows of patches and back, in the two orders that DiT uses.

#include <cstdint>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// [B, C, H, W] -> [B * tokens, C * p * p], channel slowest: the order of a convolution's weight.
inline Tensor patches_from_image(const Tensor& image, std::int64_t patch) {
  const auto rows = image.size(2) / patch;
  const auto columns = image.size(3) / patch;
  return image.reshape({image.size(0), image.size(1), rows, patch, columns, patch})
      .permute({0, 2, 4, 1, 3, 5})
      .reshape({image.size(0) * rows * columns, -1});
}

/// The inverse of patches_from_image, which is also its transpose.
inline Tensor image_from_patches(const Tensor& patches, at::IntArrayRef image_sizes,
                                 std::int64_t patch) {
  const auto rows = image_sizes[2] / patch;
  const auto columns = image_sizes[3] / patch;
  return patches.reshape({image_sizes[0], rows, columns, image_sizes[1], patch, patch})
      .permute({0, 3, 1, 4, 2, 5})
      .reshape(image_sizes);
}

/// [B * tokens, p * p * C] with the channel fastest -> [B, C, H, W]: DiT's unpatchify.
inline Tensor unpatchify(const Tensor& tokens, at::IntArrayRef image_sizes, std::int64_t patch) {
  const auto rows = image_sizes[2] / patch;
  const auto columns = image_sizes[3] / patch;
  return tokens.reshape({image_sizes[0], rows, columns, patch, patch, image_sizes[1]})
      .permute({0, 5, 1, 3, 2, 4})
      .reshape(image_sizes);
}

/// The inverse of unpatchify, which is also its transpose.
inline Tensor unpatchify_backward(const Tensor& image, std::int64_t patch) {
  const auto rows = image.size(2) / patch;
  const auto columns = image.size(3) / patch;
  return image.reshape({image.size(0), image.size(1), rows, patch, columns, patch})
      .permute({0, 2, 4, 3, 5, 1})
      .reshape({image.size(0) * rows * columns, -1});
}

} // namespace d2c
