#pragma once
/// PNG files of 8-bit grey and RGB images, through libpng. Interleaved rows [height, width,
/// channels].

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <png.h>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/mapped_file.hpp>

namespace d2c {

/// An image in memory: 1 (grey) or 3 (RGB) channels, 8 bits each.
struct PngImage {
  std::vector<std::uint8_t> pixels; ///< [height, width, channels]
  int width = 0;
  int height = 0;
  int channels = 0;
};

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

/// Decodes a PNG of 8-bit (or smaller) grey or RGB; palettes become RGB. InputError on another
/// format, 16 bits, transparency, damage, or a header that claims more pixels than the file can
/// hold. `where` names the file in messages.
inline PngImage decode_png(const std::string& where, std::span<const std::byte> bytes) {
  if (bytes.size() < 8 || png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) != 0) {
    throw InputError(where + ": expected a PNG file, found another beginning");
  }
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  const auto damaged = [&] {
    std::string reason = image.message;
    png_image_free(&image);
    return InputError(where + ": expected a sound PNG file, found damage (" + reason + ")");
  };
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) {
    throw damaged();
  }
  if ((image.format & (PNG_FORMAT_FLAG_LINEAR | PNG_FORMAT_FLAG_ALPHA)) != 0) {
    const bool deep = (image.format & PNG_FORMAT_FLAG_LINEAR) != 0;
    png_image_free(&image);
    throw InputError(where + ": expected an 8-bit grey or RGB image, found " +
                     (deep ? "16 bits a channel" : "transparency"));
  }
  PngImage decoded;
  decoded.width = static_cast<int>(image.width);
  decoded.height = static_cast<int>(image.height);
  decoded.channels = (image.format & PNG_FORMAT_FLAG_COLOR) != 0 ? 3 : 1;
  image.format = decoded.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  // Deflate shrinks data at most 1032-fold and one byte holds at most eight pixels.
  const std::uint64_t most = static_cast<std::uint64_t>(bytes.size()) * 1032 * 8;
  if (static_cast<std::uint64_t>(image.width) * image.height > most) {
    png_image_free(&image);
    throw InputError(where + ": expected at most " + std::to_string(most) +
                     " pixels in a file of this size, found a header that says " +
                     std::to_string(decoded.width) + " x " + std::to_string(decoded.height));
  }
  decoded.pixels.resize(PNG_IMAGE_SIZE(image));
  if (png_image_finish_read(&image, nullptr, decoded.pixels.data(), 0, nullptr) == 0) {
    throw damaged();
  }
  return decoded;
}

/// Reads a PNG file; InputError as decode_png.
template <class = Once>
PngImage read_png(const std::filesystem::path& path) {
  const MappedFile file{path};
  return decode_png(path.string(), file.bytes());
}
D2C_COMPILED_ONCE(PngImage read_png<>(const std::filesystem::path&))

} // namespace d2c
