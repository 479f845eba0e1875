#pragma once
/// The centre crop that ADM, DiT, SiT and REPA train on. Torch-free.

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include <d2c/core/error.hpp>
#include <d2c/data/byte_image.hpp>
#include <d2c/data/resample.hpp>

namespace d2c {

namespace adm_crop_detail {

/// The longer side of the image after resizing its shorter one to `size`, which may exceed every
/// int (a line of one pixel's width); infinite or NaN for an empty image.
inline double longer_side(const ByteImage& image, int size) {
  const double scale = static_cast<double>(size) / std::min(image.width, image.height);
  return std::nearbyint(std::max(image.width, image.height) * scale);
}

/// Whether resizing and cropping can count the pixels of the resized image's sides.
inline bool fits(const ByteImage& image, int size) {
  return longer_side(image, size) <= std::numeric_limits<int>::max();
}

} // namespace adm_crop_detail

/// The square of `size` pixels in the middle: the image is halved by box averages while its smaller
/// side is at least twice `size`, then resized by bicubic to a smaller side of `size` (the larger
/// one rounded half to even) and cut in the middle, rounded down. Byte-equal to center_crop_arr of
/// guided-diffusion on Pillow. Failure for an empty image, a size below 1 or a resized side beyond
/// 2^31 - 1 pixels.
inline ByteImage adm_centre_crop(ByteImage image, int size, const ResampleOptions& options = {}) {
  if (size < 1 || image.width < 1 || image.height < 1) {
    throw Failure("centre crop: expected an image and a size of at least 1 pixel, found " +
                  resample_detail::size_text(image.width, image.height) + " and " +
                  std::to_string(size));
  }
  while (std::min(image.width, image.height) / 2 >= size) {
    image = resample(image, image.width / 2, image.height / 2, ResampleFilter::box, options);
  }
  if (!adm_crop_detail::fits(image, size)) {
    throw Failure("centre crop: expected an image whose longer side fits after scaling, found " +
                  resample_detail::size_text(image.width, image.height) + " for a size of " +
                  std::to_string(size));
  }
  const double scale = static_cast<double>(size) / std::min(image.width, image.height);
  const int width = static_cast<int>(std::nearbyint(image.width * scale));
  const int height = static_cast<int>(std::nearbyint(image.height * scale));
  const PixelWindow middle{(width - size) / 2, (height - size) / 2, size, size};
  return resample_window(image, width, height, ResampleFilter::bicubic, middle, options);
}

} // namespace d2c
