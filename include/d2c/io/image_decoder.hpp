#pragma once
/// Image files of either kind to 8-bit RGB. What a file is, its first bytes say, never its name.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <d2c/core/error.hpp>
#include <d2c/io/decoded_image.hpp>
#include <d2c/io/jpeg_decoder.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/pixel_limit.hpp>
#include <d2c/io/png_decoder.hpp>

namespace d2c {

namespace image_decoder_detail {

using namespace std::string_view_literals;

inline constexpr std::string_view png = "\x89PNG\r\n\x1a\n"sv;
inline constexpr std::string_view jpeg = "\xff\xd8\xff"sv;

/// What the refused beginnings are, where they are well known.
inline std::string kind_of(std::string_view text) {
  struct Kind {
    std::size_t at;
    std::string_view beginning;
    std::string_view name;
  };

  constexpr std::array<Kind, 12> kinds = {{
      {0, "GIF8"sv, "a GIF"},
      {8, "WEBP"sv, "a WebP"},
      {0, "BM"sv, "a BMP"},
      {0, "II*\0"sv, "a TIFF"},
      {0, "MM\0*"sv, "a TIFF"},
      {0, "\0\0\1\0"sv, "an ICO"},
      {0, "P5"sv, "a PGM"},
      {0, "P6"sv, "a PPM"},
      {4, "jP  \r\n"sv, "a JPEG 2000"},
      {4, "ftypavif"sv, "an AVIF"},
      {4, "ftyp"sv, "an HEIF or MP4"},
      {0, "<"sv, "a text of markup (HTML or SVG)"},
  }};
  if (text.empty()) {
    return "an empty one";
  }
  for (const Kind& kind : kinds) {
    if (text.size() >= kind.at && text.substr(kind.at).starts_with(kind.beginning)) {
      return std::string(kind.name);
    }
  }
  std::string found = "one that begins with the bytes";
  for (const char c : text.substr(0, 4)) {
    char hex[8];
    std::snprintf(hex, sizeof hex, " %02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    found += hex;
  }
  return found;
}

} // namespace image_decoder_detail

/// Decodes a PNG or JPEG held in memory, by its first bytes. InputError as the decoder of its kind,
/// and for files of other kinds. `where` names the file in messages.
inline DecodedImage decode_image(const std::string& where, std::span<const std::byte> bytes,
                                 std::uint64_t pixel_limit = default_pixel_limit) {
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  if (text.starts_with(image_decoder_detail::png)) {
    return decode_png_rgb(where, bytes, pixel_limit);
  }
  if (text.starts_with(image_decoder_detail::jpeg)) {
    return decode_jpeg_rgb(where, bytes, pixel_limit);
  }
  throw InputError(where + ": expected a PNG or JPEG file, found " +
                   image_decoder_detail::kind_of(text));
}

/// Reads and decodes an image file; InputError as decode_image, or if it cannot be read.
inline DecodedImage read_image(const std::filesystem::path& path,
                               std::uint64_t pixel_limit = default_pixel_limit) {
  const MappedFile file{path};
  return decode_image(path.string(), file.bytes(), pixel_limit);
}

} // namespace d2c
