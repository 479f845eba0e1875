#pragma once
/// Batches of 8-bit images resized with the very bytes of Pillow's Image.resize.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/data/byte_image.hpp>
#include <d2c/data/resample.hpp>
#include <d2c/data/resample_weights.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Images [n, C, H, W] uint8, C = 1 or 3, as uint8 [n, C, height, width] on the CPU, each resized
/// as a whole. Throws InputError for other images, and for sides beyond 2^31 - 1 pixels.
template <class = Once>
Tensor resample_images(const Tensor& images, int height, int width, ResampleFilter filter) {
  if (images.dim() != 4 || (images.size(1) != 1 && images.size(1) != 3) || images.size(2) < 1 ||
      images.size(3) < 1 || images.scalar_type() != at::kByte) {
    throw InputError("resampling: expected images [n, 1 or 3, H, W] of uint8, found " +
                     c10::str(images.sizes()) + " of " + c10::toString(images.scalar_type()));
  }
  if (std::max(images.size(2), images.size(3)) > std::numeric_limits<int>::max()) {
    throw InputError("resampling: expected sides of at most 2^31 - 1 pixels, found " +
                     c10::str(images.sizes()));
  }
  const Tensor rows = images.to(at::kCPU).permute({0, 2, 3, 1}).contiguous();
  const Tensor made = at::empty({rows.size(0), height, width, rows.size(3)}, at::kByte);
  const auto* from = rows.const_data_ptr<std::uint8_t>();
  auto* to = made.mutable_data_ptr<std::uint8_t>();
  parallel_ranges(rows.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    ByteImage image{static_cast<int>(rows.size(2)),
                    static_cast<int>(rows.size(1)),
                    static_cast<int>(rows.size(3)),
                    {}};
    image.pixels.resize(image.bytes());
    for (std::int64_t i = begin; i < end; ++i) {
      std::memcpy(image.pixels.data(), from + static_cast<std::size_t>(i) * image.bytes(),
                  image.bytes());
      const ByteImage resized = resample(image, width, height, filter);
      std::memcpy(to + static_cast<std::size_t>(i) * resized.bytes(), resized.pixels.data(),
                  resized.bytes());
    }
  });
  return made.permute({0, 3, 1, 2});
}
D2C_COMPILED_ONCE(Tensor resample_images<>(const Tensor&, int, int, ResampleFilter))

} // namespace d2c
