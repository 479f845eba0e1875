/// The PNG and JPEG decoders on files laid out by hand or written by libpng and libjpeg here.
/// Equality with another decoder is tests/core/image_files_reference_test.cpp.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <jpeglib.h>
#include <zlib.h>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/io/image_decoder.hpp>
#include <d2c/io/image_extension.hpp>
#include <d2c/io/png.hpp>

namespace {

using Catch::Matchers::Contains;
using Folder = d2c_test::ScratchFolder;
using d2c_test::written;

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

d2c::DecodedImage decoded(const std::string& bytes,
                          std::uint64_t limit = d2c::default_pixel_limit) {
  return d2c::decode_image("a file", bytes_of(bytes), limit);
}

std::vector<std::uint8_t> noise(std::size_t count) {
  std::vector<std::uint8_t> values(count);
  std::uint32_t state = 1;
  for (auto& value : values) {
    state = state * 1664525U + 1013904223U;
    value = static_cast<std::uint8_t>(state >> 24);
  }
  return values;
}

std::string png_of(int width, int height, int channels) {
  const auto pixels =
      noise(static_cast<std::size_t>(width) * static_cast<std::size_t>(height * channels));
  const auto bytes = d2c::encode_png(pixels, width, height, channels);
  return {bytes.begin(), bytes.end()};
}

/// A JPEG of noise with 1 (grey), 3 (YCbCr) or 4 (CMYK) components.
std::string jpeg_of(int width, int height, int components, bool progressive = false) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* memory = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &memory, &size);
  info.image_width = static_cast<JDIMENSION>(width);
  info.image_height = static_cast<JDIMENSION>(height);
  info.input_components = components;
  info.in_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 40, TRUE);
  if (progressive) {
    jpeg_simple_progression(&info);
  }
  jpeg_start_compress(&info, TRUE);
  auto pixels =
      noise(static_cast<std::size_t>(width) * static_cast<std::size_t>(height * components));
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = pixels.data() + info.next_scanline * static_cast<unsigned>(width * components);
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string bytes(reinterpret_cast<char*>(memory), size);
  std::free(memory);
  return bytes;
}

std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16),
          static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string chunk(const std::string& kind, const std::string& data) {
  const std::string both = kind + data;
  const auto crc = crc32_z(0, reinterpret_cast<const Bytef*>(both.data()), both.size());
  return big_endian(static_cast<std::uint32_t>(data.size())) + both +
         big_endian(static_cast<std::uint32_t>(crc));
}

/// A PNG with these rows (each behind its filter byte).
std::string png_by_hand(std::uint32_t width, std::uint32_t height, char depth, char color,
                        const std::string& rows, const std::string& extra = {}) {
  std::string packed(compressBound(rows.size()), '\0');
  uLongf size = packed.size();
  REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                   reinterpret_cast<const Bytef*>(rows.data()), rows.size()) == Z_OK);
  packed.resize(size);
  return "\x89PNG\r\n\x1a\n" +
         chunk("IHDR",
               big_endian(width) + big_endian(height) + std::string{depth, color, 0, 0, 0}) +
         extra + chunk("IDAT", packed) + chunk("IEND", "");
}

/// Height and width in the frame header of a JPEG.
std::string with_size(std::string jpeg, int height, int width) {
  const auto at = jpeg.find("\xff\xc0");
  REQUIRE(at != std::string::npos);
  jpeg[at + 5] = static_cast<char>(height >> 8);
  jpeg[at + 6] = static_cast<char>(height);
  jpeg[at + 7] = static_cast<char>(width >> 8);
  jpeg[at + 8] = static_cast<char>(width);
  return jpeg;
}

using Bytes = std::vector<std::uint8_t>;

std::string text(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) {
    bytes += static_cast<char>(value);
  }
  return bytes;
}

} // namespace

TEST_CASE("image decoders: small depths stretch, 16-bit grey saturates, alpha and tRNS drop") {
  const auto grey = [](std::initializer_list<int> values) {
    Bytes rgb;
    for (const int value : values) {
      rgb.insert(rgb.end(), 3, static_cast<std::uint8_t>(value));
    }
    return rgb;
  };
  CHECK(decoded(png_by_hand(4, 1, 1, 0, text({0, 0b10110000}))).rgb == grey({255, 0, 255, 255}));
  CHECK(decoded(png_by_hand(4, 1, 2, 0, text({0, 0b00011011}))).rgb == grey({0, 85, 170, 255}));
  CHECK(decoded(png_by_hand(2, 1, 4, 0, text({0, 0x1f}))).rgb == grey({17, 255}));
  CHECK(decoded(png_by_hand(4, 1, 16, 0, text({0, 0, 0, 0, 200, 1, 0, 255, 255}))).rgb ==
        grey({0, 200, 255, 255}));
  CHECK(decoded(png_by_hand(1, 1, 8, 4, text({0, 7, 0}))).rgb == grey({7}));
  CHECK(decoded(png_by_hand(1, 1, 16, 4, text({0, 7, 99, 0, 0}))).rgb == grey({7}));
  CHECK(decoded(png_by_hand(1, 1, 8, 6, text({0, 1, 2, 3, 0}))).rgb == Bytes{1, 2, 3});
  CHECK(decoded(png_by_hand(1, 1, 16, 2, text({0, 1, 99, 2, 99, 3, 99}))).rgb == Bytes{1, 2, 3});
  CHECK(
      decoded(png_by_hand(1, 1, 8, 2, text({0, 1, 2, 3}), chunk("tRNS", text({0, 1, 0, 2, 0, 3}))))
          .rgb == Bytes{1, 2, 3});
  // Index 2 lies beyond the palette.
  const std::string palette = chunk("PLTE", text({10, 20, 30, 40, 50, 60}));
  CHECK(decoded(png_by_hand(3, 1, 2, 3, text({0, 0b00011000}), palette)).rgb ==
        Bytes{10, 20, 30, 40, 50, 60, 0, 0, 0});
}

TEST_CASE("image decoders: a PNG's texts, profile and gamma are skipped, not kept") {
  const std::string zeros(100'000, '\0');
  std::string packed(compressBound(zeros.size()), '\0');
  uLongf size = packed.size();
  REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                   reinterpret_cast<const Bytef*>(zeros.data()), zeros.size()) == Z_OK);
  packed.resize(size);
  const std::string extra =
      chunk("gAMA", big_endian(45455)) + chunk("sBIT", text({5, 6, 5})) +
      chunk("bKGD", text({0, 9, 0, 9, 0, 9})) + chunk("tEXt", text({'k', 0, 'v'})) +
      chunk("zTXt", text({'k', 0, 0}) + packed) +
      chunk("iTXt", text({'k', 0, 1, 0, 0, 0}) + packed) +
      chunk("sPLT", text({'p', 0, 8, 1, 2, 3, 4, 0, 1})) + chunk("eXIf", "MM") + chunk("ours", "x");
  const std::string row = text({0, 100, 150, 200});
  const std::string png = png_by_hand(1, 1, 8, 2, row, extra);
  CHECK(decoded(png).rgb == Bytes{100, 150, 200});

  d2c::png_detail::Input input{bytes_of(png).data(), png.size()};
  const d2c::png_detail::Reader reader{input};
  REQUIRE(d2c::png_detail::succeeds(reader.png, [&] { png_read_info(reader.png, reader.info); }));
  CHECK(png_get_valid(reader.png, reader.info, ~0U) == 0);
  CHECK(png_get_text(reader.png, reader.info, nullptr, nullptr) == 0);
  CHECK(png_get_unknown_chunks(reader.png, reader.info, nullptr) == 0);
}

TEST_CASE("image decoders: a file is what its first bytes say, whatever its name") {
  const Folder folder;
  const auto png = d2c::read_image(written(folder / "a.jpg", png_of(5, 4, 3)));
  CHECK(png.width == 5);
  CHECK(png.height == 4);
  CHECK(png.rgb == noise(5 * 4 * 3));
  const auto jpeg = d2c::read_image(written(folder / "b.png", jpeg_of(6, 3, 1)));
  CHECK(jpeg.width == 6);
  CHECK(jpeg.height == 3);
  REQUIRE(jpeg.rgb.size() == 6 * 3 * 3);
  for (std::size_t i = 0; i < jpeg.rgb.size(); i += 3) {
    CHECK((jpeg.rgb[i] == jpeg.rgb[i + 1] && jpeg.rgb[i] == jpeg.rgb[i + 2]));
  }
  CHECK(d2c::has_image_extension("A.JPEG"));
  CHECK_FALSE(d2c::has_image_extension("notes.txt"));
}

TEST_CASE("image decoders: other kinds are refused by name") {
  const std::pair<std::string, const char*> cases[] = {
      {"GIF89a...", "found a GIF"},
      {"RIFF....WEBPVP8 ", "found a WebP"},
      {"BM....", "found a BMP"},
      {std::string("II*\0....", 8), "found a TIFF"},
      {"....ftypavif", "found an AVIF"},
      {"<svg>", "markup"},
      {"", "found an empty one"},
      {"\x89PN", "begins with the bytes 89 50 4e"},
      {"\xff\xd8", "begins with the bytes ff d8"},
  };
  for (const auto& [bytes, message] : cases) {
    INFO(message);
    CHECK_THROWS_AS(decoded(bytes), d2c::InputError);
    CHECK_THROWS_WITH(decoded(bytes),
                      Contains("a file: expected a PNG or JPEG file") && Contains(message));
  }
}

TEST_CASE("image decoders: headers that claim too much are refused before any pixel") {
  const std::string grey = png_by_hand(100000, 100000, 8, 2, "");
  CHECK_THROWS_WITH(decoded(grey), Contains("178956970 pixels") && Contains("100000 x 100000"));
  const std::string jpeg = jpeg_of(8, 8, 3);
  CHECK_THROWS_WITH(decoded(with_size(jpeg, 65000, 65000)), Contains("65000 x 65000"));
  // Below the limit, but more than the bytes could hold.
  CHECK_THROWS_WITH(decoded(png_by_hand(10000, 10000, 8, 2, "")),
                    Contains("can hold") && Contains("10000 x 10000"));
  CHECK_THROWS_WITH(decoded(with_size(jpeg, 13000, 13000)),
                    Contains("can hold") && Contains("13000 x 13000"));
  // The limit is the caller's.
  CHECK(decoded(jpeg, 64).rgb.size() == 192);
  CHECK_THROWS_WITH(decoded(jpeg, 63), Contains("at most 63 pixels") && Contains("8 x 8"));
  CHECK(decoded(png_of(8, 8, 1), 64).rgb.size() == 192);
  CHECK_THROWS_WITH(decoded(png_of(8, 8, 1), 63), Contains("at most 63 pixels"));
}

TEST_CASE("image decoders: kinds of JPEG that cannot be read are refused with the reason") {
  const std::string jpeg = jpeg_of(8, 8, 3);
  const auto frame = jpeg.find("\xff\xc0");
  auto two = jpeg;
  two[frame + 9] = 2;
  CHECK_THROWS_WITH(decoded(two), Contains("damage") || Contains("components"));
  auto deep = jpeg;
  deep[frame + 4] = 12;
  CHECK_THROWS_WITH(decoded(deep), Contains("precision"));
  CHECK_THROWS_WITH(decoded(with_size(jpeg, 0, 8)), Contains("a file: expected a sound JPEG"));
  auto lossless = jpeg;
  lossless[frame + 1] = '\xc3';
  CHECK_THROWS_WITH(decoded(lossless), Contains("does not read"));
  CHECK_THROWS_WITH(decoded(jpeg.substr(0, jpeg.size() / 2)), Contains("a truncated file"));

  // A scan more than anybody writes: the last one of a progressive file over and over.
  const std::string progressive = jpeg_of(8, 8, 1, true);
  const auto scan = progressive.rfind("\xff\xda");
  const std::string repeated = progressive.substr(scan, progressive.size() - 2 - scan);
  std::string many = progressive.substr(0, scan);
  for (int i = 0; i < 600; ++i) {
    many += repeated;
  }
  CHECK_THROWS_WITH(decoded(many + "\xff\xd9"), Contains("more than 500 scans"));
}

TEST_CASE("image decoders: no cut and no flipped byte does more than throw InputError") {
  std::vector<std::string> wholes;
  for (const int channels : {1, 3}) {
    wholes.push_back(png_of(9, 7, channels));
    wholes.push_back(jpeg_of(19, 17, channels));
    wholes.push_back(jpeg_of(19, 17, channels, true));
  }
  wholes.push_back(jpeg_of(9, 17, 4));
  wholes.push_back(png_by_hand(3, 1, 2, 3, text({0, 0b00011000}),
                               chunk("PLTE", text({10, 20, 30, 40, 50, 60}))));
  std::size_t refused = 0;
  std::size_t read = 0;
  // Small enough that damaged sizes cost nothing.
  constexpr std::uint64_t limit = 1 << 16;
  const auto attempt = [&](const std::string& bytes) {
    try {
      const auto image = decoded(bytes, limit);
      CHECK(image.rgb.size() == 3 * std::size_t(image.width) * std::size_t(image.height));
      ++read;
    } catch (const d2c::InputError& error) {
      CHECK(std::string(error.what()).starts_with("a file: expected "));
      ++refused;
    }
  };
  std::uint32_t state = 7;
  const auto random = [&](std::size_t below) {
    state = state * 1664525U + 1013904223U;
    return (state >> 8) % below;
  };
  for (const std::string& whole : wholes) {
    REQUIRE_NOTHROW(decoded(whole));
    for (std::size_t length = 0; length < whole.size(); ++length) {
      attempt(whole.substr(0, length));
    }
    for (int i = 0; i < 300; ++i) {
      std::string damaged = whole;
      for (std::size_t flips = 1 + random(3); flips > 0; --flips) {
        damaged[random(damaged.size())] = static_cast<char>(random(256));
      }
      attempt(damaged);
    }
  }
  CHECK(refused > 2000);
  CHECK(read > 300);
}
