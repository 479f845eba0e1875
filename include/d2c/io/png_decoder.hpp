#pragma once
/// PNG files of every kind to 8-bit RGB, through libpng, with the values that Pillow's
/// convert("RGB") gives.

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <png.h>

#include <d2c/core/error.hpp>
#include <d2c/io/decoded_image.hpp>
#include <d2c/io/pixel_limit.hpp>

namespace d2c {

namespace png_detail {

struct Input {
  const std::byte* next = nullptr;
  std::size_t left = 0;
  char message[160] = {};
};

/// Owns libpng's two structures; libpng's errors leave their text in the input.
class Reader {
public:
  explicit Reader(Input& input) {
    png = png_create_read_struct(
        PNG_LIBPNG_VER_STRING, &input,
        [](png_structp failed, png_const_charp text) {
          auto* state = static_cast<Input*>(png_get_error_ptr(failed));
          std::snprintf(state->message, sizeof state->message, "%s", text);
          png_longjmp(failed, 1);
        },
        [](png_structp, png_const_charp) {});
    info = png == nullptr ? nullptr : png_create_info_struct(png);
    if (info == nullptr) {
      png_destroy_read_struct(&png, &info, nullptr);
      throw Failure("decoding a PNG: libpng could not be started");
    }
    png_set_read_fn(png, &input, [](png_structp reading, png_bytep out, std::size_t count) {
      auto* state = static_cast<Input*>(png_get_io_ptr(reading));
      if (count > state->left) {
        png_error(reading, "the file ends too early");
      }
      std::memcpy(out, state->next, count);
      state->next += count;
      state->left -= count;
    });
    // Only the number of pixels is limited, by whoever decodes.
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_benign_errors(png, 1);
    // Texts, profiles and the like are skipped: they do not change a pixel here, and a compressed
    // text unpacks to 8 MB a time. What decoding needs (and tRNS) is not among these.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  }

  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }

  png_structp png = nullptr;
  png_infop info = nullptr;
};

/// Runs a step of libpng; false if libpng gave up in it. It does so by longjmp, so a step creates
/// no object with a destructor.
template <class Step>
bool succeeds(png_structp png, const Step& step) {
  if (setjmp(png_jmpbuf(png)) != 0) {
    return false;
  }
  step();
  return true;
}

/// What one row's bytes mean.
struct RowFormat {
  int width = 0;
  int depth = 0;
  int color = 0;
  const png_color* palette = nullptr;
  int palette_size = 0;
};

/// One row to RGB. Samples below 8 bits are stretched to 0..255; 16-bit grey saturates at 255 and
/// other 16-bit samples keep their high byte (Pillow's rules); alpha is dropped; palette indices
/// beyond the palette are black.
inline void row_to_rgb(const RowFormat& format, const std::uint8_t* row, std::uint8_t* out) {
  const int depth = format.depth;
  const auto small = [&](int x) {
    const int shift = 8 - depth * (x % (8 / depth) + 1);
    return row[x * depth / 8] >> shift & ((1 << depth) - 1);
  };
  const auto put = [&](int x, int r, int g, int b) {
    out[3 * x] = static_cast<std::uint8_t>(r);
    out[3 * x + 1] = static_cast<std::uint8_t>(g);
    out[3 * x + 2] = static_cast<std::uint8_t>(b);
  };
  if (format.color == PNG_COLOR_TYPE_PALETTE) {
    for (int x = 0; x < format.width; ++x) {
      const int index = depth == 8 ? row[x] : small(x);
      const png_color color =
          index < format.palette_size ? format.palette[index] : png_color{0, 0, 0};
      put(x, color.red, color.green, color.blue);
    }
    return;
  }
  const bool grey = (format.color & PNG_COLOR_MASK_COLOR) == 0;
  const bool alpha = (format.color & PNG_COLOR_MASK_ALPHA) != 0;
  const int bytes = depth == 16 ? 2 : 1;
  const int step = ((grey ? 1 : 3) + (alpha ? 1 : 0)) * bytes;
  for (int x = 0; x < format.width; ++x) {
    if (depth < 8) {
      const int value = small(x) * 255 / ((1 << depth) - 1);
      put(x, value, value, value);
      continue;
    }
    const std::uint8_t* pixel = row + static_cast<std::ptrdiff_t>(x) * step;
    if (!grey) {
      put(x, pixel[0], pixel[bytes], pixel[2 * bytes]);
    } else {
      const int value = depth == 16 && !alpha && pixel[0] == 0 ? pixel[1]
                        : depth == 16 && !alpha                ? 255
                                                               : pixel[0];
      put(x, value, value, value);
    }
  }
}

} // namespace png_detail

/// Decodes a PNG: grey, grey with alpha, RGB, RGBA and palettes of every depth, interlaced or not.
/// Transparency and gamma are ignored; of an animation it is the image that other readers show.
/// InputError on damage, on missing data and on a header that claims more pixels than `pixel_limit`
/// or than the file can hold. `where` names the file in messages.
inline DecodedImage decode_png_rgb(const std::string& where, std::span<const std::byte> bytes,
                                   std::uint64_t pixel_limit = default_pixel_limit) {
  png_detail::Input input{bytes.data(), bytes.size()};
  const png_detail::Reader reader{input};
  png_structp png = reader.png;
  const auto damaged = [&] {
    return InputError(where + ": expected a sound PNG file, found damage (" + input.message + ")");
  };
  if (!png_detail::succeeds(png, [&] { png_read_info(png, reader.info); })) {
    throw damaged();
  }
  DecodedImage image;
  image.width = static_cast<int>(png_get_image_width(png, reader.info));
  image.height = static_cast<int>(png_get_image_height(png, reader.info));
  const auto width = static_cast<std::size_t>(image.width);
  const auto height = static_cast<std::size_t>(image.height);
  check_pixel_limit(where, width, height, pixel_limit);
  const std::size_t row_bytes = png_get_rowbytes(png, reader.info);
  // Deflate shrinks data at most 1032-fold.
  if (height > bytes.size() * 1032 / row_bytes) {
    throw InputError(where + ": expected an image that a file of " + std::to_string(bytes.size()) +
                     " bytes can hold, found a header that says " + std::to_string(width) + " x " +
                     std::to_string(height));
  }

  png_detail::RowFormat format;
  format.width = image.width;
  format.depth = png_get_bit_depth(png, reader.info);
  format.color = png_get_color_type(png, reader.info);
  png_colorp palette = nullptr;
  png_get_PLTE(png, reader.info, &palette, &format.palette_size);
  format.palette = palette;

  const bool interlaced = png_get_interlace_type(png, reader.info) != PNG_INTERLACE_NONE;
  image.rgb.resize(3 * width * height);
  std::vector<std::uint8_t> rows(interlaced ? row_bytes * height : row_bytes);
  const bool read = png_detail::succeeds(png, [&] {
    const int passes = png_set_interlace_handling(png);
    png_start_read_image(png);
    for (int pass = 0; pass < passes; ++pass) {
      for (std::size_t y = 0; y < height; ++y) {
        std::uint8_t* row = rows.data() + (interlaced ? y * row_bytes : 0);
        png_read_row(png, row, nullptr);
        if (pass + 1 == passes) {
          png_detail::row_to_rgb(format, row, image.rgb.data() + 3 * width * y);
        }
      }
    }
  });
  if (!read) {
    throw damaged();
  }
  return image;
}

} // namespace d2c
