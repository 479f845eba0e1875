#pragma once
/// 8-bit images in memory as tensors.

#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A copy of the images `indices` as uint8 [indices.size(), C, H, W] on the CPU. Failure if an
/// index lies outside the set.
inline Tensor image_tensor(const ImageSet& images, std::span<const std::int64_t> indices) {
  const Tensor out = at::empty(
      {static_cast<std::int64_t>(indices.size()), images.channels, images.height, images.width},
      at::kByte);
  auto* to = out.data_ptr<std::uint8_t>();
  for (const std::int64_t index : indices) {
    if (index < 0 || index >= images.size()) {
      throw Failure(images.origin + ": expected image indices below " +
                    std::to_string(images.size()) + ", found " + std::to_string(index));
    }
    std::memcpy(to, images.image(index), static_cast<std::size_t>(images.image_bytes()));
    to += images.image_bytes();
  }
  return out;
}

} // namespace d2c
