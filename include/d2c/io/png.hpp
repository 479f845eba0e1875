#pragma once
/// Writing PNG files of 8-bit grey and RGB images, through libpng. Interleaved rows [height, width,
/// channels]. Reading is in io/image_decoder.hpp.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <png.h>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>

namespace d2c {

namespace png_detail {

inline void check(std::size_t bytes, int width, int height, int channels) {
  if (width <= 0 || height <= 0 || (channels != 1 && channels != 3) ||
      bytes != static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                   static_cast<std::size_t>(channels)) {
    throw Failure("encoding a PNG: expected " + std::to_string(width) + " x " +
                  std::to_string(height) + " pixels of 1 or 3 channels, found " +
                  std::to_string(bytes) + " bytes for " + std::to_string(channels) + " channels");
  }
}

} // namespace png_detail

/// Encodes [height, width, channels] bytes, channels 1 or 3. Failure if the sizes do not fit.
inline std::vector<std::uint8_t> encode_png(std::span<const std::uint8_t> pixels, int width,
                                            int height, int channels) {
  png_detail::check(pixels.size(), width, height, channels);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::vector<std::uint8_t> encoded(size);
  if (png_image_write_to_memory(&image, encoded.data(), &size, 0, pixels.data(), 0, nullptr) == 0) {
    throw Failure(std::string("encoding a PNG failed: ") + image.message);
  }
  encoded.resize(size);
  return encoded;
}

/// Writes a PNG file atomically. Failure if the sizes do not fit or the file cannot be written.
template <class = Once>
void write_png(const std::filesystem::path& path, std::span<const std::uint8_t> pixels, int width,
               int height, int channels) {
  const auto encoded = encode_png(pixels, width, height, channels);
  AtomicFile file{path};
  file.write(encoded.data(), encoded.size());
  file.commit();
}
D2C_COMPILED_ONCE(void write_png<>(const std::filesystem::path&, std::span<const std::uint8_t>, int,
                                   int, int))

} // namespace d2c
