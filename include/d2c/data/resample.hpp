#pragma once
/// Resizing of 8-bit images with the very bytes of Pillow's Image.resize. Torch-free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/data/byte_image.hpp>
#include <d2c/data/resample_passes.hpp>
#include <d2c/data/resample_weights.hpp>

namespace d2c {

/// Which pass comes first; between them values are rounded to bytes, so the order shows.
enum class PassOrder {
  pillow,           ///< since Pillow 13: vertical if height shrinks more than twice what width does
  horizontal_first, ///< always, as in older versions
};

struct ResampleOptions {
  PassOrder order = PassOrder::pillow;
  bool vectorised = true; ///< false: the portable loops, which give the same bytes
};

/// A rectangle of an image in pixels.
struct PixelWindow {
  int left = 0;
  int top = 0;
  int width = 0;
  int height = 0;
};

namespace resample_detail {

/// Colour times opacity / 255, rounded to nearest.
inline std::vector<std::uint8_t> premultiplied(const std::vector<std::uint8_t>& pixels) {
  std::vector<std::uint8_t> made(pixels.size());
  for (std::size_t i = 0; i < pixels.size(); i += 4) {
    const unsigned opacity = pixels[i + 3];
    for (std::size_t c = 0; c < 3; ++c) {
      const unsigned product = pixels[i + c] * opacity + 128;
      made[i + c] = static_cast<std::uint8_t>(((product >> 8U) + product) >> 8U);
    }
    made[i + 3] = pixels[i + 3];
  }
  return made;
}

/// Colour times 255 / opacity, rounded down; where opacity is 0 the colour stays.
inline void undo_premultiplication(std::vector<std::uint8_t>& pixels) {
  for (std::size_t i = 0; i < pixels.size(); i += 4) {
    const unsigned opacity = pixels[i + 3];
    if (opacity == 0 || opacity == 255) {
      continue;
    }
    for (std::size_t c = 0; c < 3; ++c) {
      pixels[i + c] =
          static_cast<std::uint8_t>(std::min(255U, 255U * unsigned{pixels[i + c]} / opacity));
    }
  }
}

inline ByteImage cut(const ByteImage& image, const PixelWindow& window) {
  ByteImage made{window.width, window.height, image.channels, {}};
  made.pixels.resize(made.bytes());
  for (int y = 0; y < window.height; ++y) {
    std::memcpy(made.pixels.data() + static_cast<std::size_t>(y) * made.row_bytes(),
                image.pixels.data() + static_cast<std::size_t>(window.top + y) * image.row_bytes() +
                    static_cast<std::size_t>(window.left) * image.channels,
                made.row_bytes());
  }
  return made;
}

inline std::string size_text(int width, int height) {
  return std::to_string(width) + " x " + std::to_string(height);
}

inline void require(const ByteImage& image, int width, int height, const PixelWindow& window) {
  if (image.width < 1 || image.height < 1 ||
      (image.channels != 1 && image.channels != 3 && image.channels != 4) ||
      image.pixels.size() != image.bytes()) {
    throw Failure("resampling: expected an image of 1, 3 or 4 channels, found " +
                  size_text(image.width, image.height) + " with " + std::to_string(image.channels) +
                  " channels in " + std::to_string(image.pixels.size()) + " bytes");
  }
  if (width < 1 || height < 1 || window.width < 1 || window.height < 1 || window.left < 0 ||
      window.top < 0 || window.width > width - window.left || window.height > height - window.top) {
    throw Failure("resampling: expected a window inside the resized image of " +
                  size_text(width, height) + ", found " + size_text(window.width, window.height) +
                  " at " + std::to_string(window.left) + ", " + std::to_string(window.top));
  }
}

} // namespace resample_detail

/// The part `window` of `image` resized to width x height, the only part that is computed. Bytes
/// are those of Pillow's `resize((width, height), filter).crop(...)` for modes L, RGB and RGBA:
/// two passes in fixed point with bytes between them, RGBA premultiplied around them, and a copy if
/// the size stays. Failure if the sizes make no sense.
template <class = Once>
ByteImage resample_window(const ByteImage& image, int width, int height, ResampleFilter filter,
                          const PixelWindow& window, const ResampleOptions& options = {}) {
  using namespace resample_detail;
  require(image, width, height, window);
  const bool resize_width = width != image.width;
  const bool resize_height = height != image.height;
  if (!resize_width && !resize_height) {
    return cut(image, window);
  }
  const bool vectorised = options.vectorised && cpu_has_avx2();
  const int channels = image.channels;
  std::vector<std::uint8_t> straight;
  if (channels == 4) {
    straight = premultiplied(image.pixels);
  }
  const ImageRows source{channels == 4 ? straight.data() : image.pixels.data(), image.row_bytes(),
                         image.height};
  ByteImage made{window.width, window.height, channels, {}};
  made.pixels.resize(made.bytes());

  // Columns and rows of the source that the window depends on.
  ResampleWeights along;
  ResampleWeights down;
  int left = window.left;
  int right = window.left + window.width;
  int top = window.top;
  int bottom = window.top + window.height;
  if (resize_width) {
    along = resample_weights(image.width, width, filter, left, right);
    left = along.begin();
    right = along.end();
  }
  if (resize_height) {
    down = resample_weights(image.height, height, filter, top, bottom);
    top = down.begin();
    bottom = down.end();
  }
  const auto sample = [&](int x) { return static_cast<std::size_t>(x) * channels; };
  const ImageRows needed{source.row(top), source.row_bytes, bottom - top};
  if (!resize_width) {
    vertical_pass(needed, down, top, sample(left), sample(right), vectorised, made.pixels.data());
  } else if (!resize_height) {
    horizontal_pass(needed, channels, along, 0, vectorised, made.pixels.data());
  } else if (options.order == PassOrder::pillow && image.height > height &&
             std::int64_t{image.height} - height > 2 * (std::int64_t{image.width} - width)) {
    const std::size_t row_bytes = sample(right - left);
    std::vector<std::uint8_t> between(row_bytes * static_cast<std::size_t>(window.height));
    vertical_pass(needed, down, top, sample(left), sample(right), vectorised, between.data());
    horizontal_pass({between.data(), row_bytes, window.height}, channels, along, left, vectorised,
                    made.pixels.data());
  } else {
    const std::size_t row_bytes = sample(window.width);
    std::vector<std::uint8_t> between(row_bytes * static_cast<std::size_t>(bottom - top));
    horizontal_pass(needed, channels, along, 0, vectorised, between.data());
    vertical_pass({between.data(), row_bytes, bottom - top}, down, top, 0, row_bytes, vectorised,
                  made.pixels.data());
  }
  if (channels == 4) {
    undo_premultiplication(made.pixels);
  }
  return made;
}
D2C_COMPILED_ONCE(ByteImage resample_window<>(const ByteImage&, int, int, ResampleFilter,
                                              const PixelWindow&, const ResampleOptions&))

/// `image` resized to width x height: resample_window with the whole image as its window.
inline ByteImage resample(const ByteImage& image, int width, int height, ResampleFilter filter,
                          const ResampleOptions& options = {}) {
  return resample_window(image, width, height, filter, {0, 0, width, height}, options);
}

} // namespace d2c
