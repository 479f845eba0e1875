#pragma once
/// JPEG files to 8-bit RGB, through libjpeg-turbo, with the values that Pillow's convert("RGB")
/// gives.

#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include <jpeglib.h>

#include <d2c/core/error.hpp>
#include <d2c/io/decoded_image.hpp>
#include <d2c/io/pixel_limit.hpp>

namespace d2c {

namespace jpeg_detail {

/// No camera or program writes nearly as many; each costs a pass over the whole image.
inline constexpr int most_scans = 500;

/// A decompressor over a file in memory. Its errors go back to where `succeeds` was called.
class Reader {
public:
  explicit Reader(std::span<const std::byte> bytes) {
    info.err = jpeg_std_error(&errors_);
    info.client_data = this;
    errors_.error_exit = [](j_common_ptr failed) {
      auto* self = static_cast<Reader*>(failed->client_data);
      failed->err->format_message(failed, self->message);
      self->give_up();
    };
    // Warnings concern damage that libjpeg steps over.
    errors_.output_message = [](j_common_ptr) {};
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
    source_.bytes_in_buffer = bytes.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.fill_input_buffer = [](j_decompress_ptr ended) -> boolean {
      static_cast<Reader*>(ended->client_data)->end_of_file();
      return FALSE;
    };
    source_.skip_input_data = [](j_decompress_ptr skipping, long count) {
      if (count > 0 && static_cast<std::size_t>(count) > skipping->src->bytes_in_buffer) {
        static_cast<Reader*>(skipping->client_data)->end_of_file();
      }
      if (count > 0) {
        skipping->src->next_input_byte += count;
        skipping->src->bytes_in_buffer -= static_cast<std::size_t>(count);
      }
    };
    progress_.progress_monitor = [](j_common_ptr common) {
      auto* self = static_cast<Reader*>(common->client_data);
      if (self->info.input_scan_number > most_scans) {
        std::snprintf(self->message, sizeof self->message, "more than %d scans", most_scans);
        self->give_up();
      }
    };
  }

  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  ~Reader() { jpeg_destroy_decompress(&info); }

  /// Runs a step of libjpeg; false if libjpeg gave up in it, by longjmp: a step creates no object
  /// with a destructor.
  template <class Step>
  bool succeeds(const Step& step) {
    if (setjmp(jump_) != 0) {
      return false;
    }
    step();
    return true;
  }

  void start() {
    jpeg_create_decompress(&info);
    info.client_data = this;
    info.src = &source_;
    info.progress = &progress_;
    jpeg_read_header(&info, TRUE);
  }

  jpeg_decompress_struct info{};
  char message[JMSG_LENGTH_MAX] = {};
  bool truncated = false;

private:
  [[noreturn]] void give_up() { std::longjmp(jump_, 1); }

  [[noreturn]] void end_of_file() {
    truncated = true;
    give_up();
  }

  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
};

/// A row of inverted CMYK, as Adobe's programs and hence all readers take it, to RGB: (255 - K)
/// minus the ink's share of it, in Pillow's integer arithmetic.
inline void cmyk_to_rgb(const std::uint8_t* row, int width, std::uint8_t* out) {
  for (int x = 0; x < width; ++x, row += 4) {
    const int light = row[3];
    for (int c = 0; c < 3; ++c) {
      const int product = (255 - row[c]) * light + 128;
      const int value = light - (((product >> 8) + product) >> 8);
      *out++ = static_cast<std::uint8_t>(value < 0 ? 0 : value);
    }
  }
}

} // namespace jpeg_detail

/// Decodes a JPEG: grey, YCbCr, RGB, CMYK and YCCK, baseline, progressive or arithmetic. EXIF
/// orientation is not applied and colour profiles are ignored. InputError on damage that libjpeg
/// cannot step over, on a file that ends before its last row is known, and on a header that claims
/// more pixels than `pixel_limit` or than the file can hold. `where` names the file in messages.
inline DecodedImage decode_jpeg_rgb(const std::string& where, std::span<const std::byte> bytes,
                                    std::uint64_t pixel_limit = default_pixel_limit) {
  jpeg_detail::Reader reader{bytes};
  jpeg_decompress_struct& info = reader.info;
  const auto refused = [&] {
    return reader.truncated
               ? InputError(where + ": expected a whole JPEG file, found its end too early (a "
                                    "truncated file)")
               : InputError(where +
                            ": expected a sound JPEG file, found damage or a kind that "
                            "libjpeg does not read (" +
                            reader.message + ")");
  };
  if (!reader.succeeds([&] { reader.start(); })) {
    throw refused();
  }
  const std::size_t width = info.image_width;
  const std::size_t height = info.image_height;
  check_pixel_limit(where, width, height, pixel_limit);
  // Huffman codes spend a bit or more on every block of 8 x 8, and no component is coarser than
  // one sample for 4 x 4 pixels.
  if (!info.arith_code && height > bytes.size() * 8 * 1024 / width) {
    throw InputError(where + ": expected an image that a file of " + std::to_string(bytes.size()) +
                     " bytes can hold, found a header that says " + std::to_string(width) + " x " +
                     std::to_string(height));
  }
  const bool inks = info.num_components == 4;
  if (info.num_components != 1 && info.num_components != 3 && !inks) {
    throw InputError(where + ": expected a JPEG of 1, 3 or 4 components, found " +
                     std::to_string(info.num_components));
  }
  info.out_color_space = inks ? JCS_CMYK : JCS_RGB;

  DecodedImage image;
  image.width = static_cast<int>(width);
  image.height = static_cast<int>(height);
  image.rgb.resize(3 * width * height);
  std::vector<std::uint8_t> ink_row(inks ? 4 * width : 0);
  const bool read = reader.succeeds([&] {
    jpeg_start_decompress(&info);
    while (info.output_scanline < info.output_height) {
      std::uint8_t* out = image.rgb.data() + 3 * width * info.output_scanline;
      JSAMPROW row = inks ? ink_row.data() : out;
      jpeg_read_scanlines(&info, &row, 1);
      if (inks) {
        jpeg_detail::cmyk_to_rgb(row, image.width, out);
      }
    }
  });
  if (!read) {
    throw refused();
  }
  return image;
}

} // namespace d2c
