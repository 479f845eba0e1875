/// Resampling against Pillow, run by tests/reference/resample.py: not one byte may differ.

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>

#include <catch.hpp>

#include <d2c/data/adm_crop.hpp>
#include <d2c/data/resample.hpp>
#include <d2c/io/safetensors.hpp>

namespace {

using d2c::ByteImage;
using d2c::ResampleFilter;

constexpr std::pair<const char*, ResampleFilter> filters[] = {
    {"box", ResampleFilter::box},
    {"bilinear", ResampleFilter::bilinear},
    {"bicubic", ResampleFilter::bicubic},
    {"lanczos", ResampleFilter::lanczos}};

d2c::SafetensorsFile reference(const std::string& name) {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder above the one that tests/reference/resample.py "
         "wrote to");
  }
  return d2c::SafetensorsFile{std::filesystem::path(folder) / "resample" / name};
}

ByteImage image_of(const d2c::SafetensorsEntry& entry) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(entry.bytes.data());
  return {static_cast<int>(entry.shape.at(1)), static_cast<int>(entry.shape.at(0)),
          static_cast<int>(entry.shape.at(2)),
          std::vector<std::uint8_t>(bytes, bytes + entry.bytes.size())};
}

/// Calls check(index, input, filter, expected) for every result in the file; returns how many.
template <class Check>
int for_each_result(const d2c::SafetensorsFile& file, const Check& check) {
  int results = 0;
  for (int index = 0;; ++index) {
    const std::string name = std::to_string(index);
    if (!file.has(name + ".in")) {
      return results;
    }
    const ByteImage input = image_of(file.entry(name + ".in"));
    for (const auto& [filter_name, filter] : filters) {
      if (file.has(name + "." + filter_name)) {
        const ByteImage expected = image_of(file.entry(name + "." + filter_name));
        INFO("image " << index << " of " << input.width << " x " << input.height << " x "
                      << input.channels << " by " << filter_name);
        check(name, input, filter, expected);
        ++results;
      }
    }
  }
}

/// The portable loops and, where this CPU has them, the AVX2 ones.
constexpr bool both[] = {false, true};

} // namespace

TEST_CASE("resample reference: four filters and three modes give Pillow's bytes") {
  const int results = for_each_result(
      reference("resize.safetensors"), [](const std::string&, const ByteImage& input,
                                          ResampleFilter filter, const ByteImage& expected) {
        for (const bool vectorised : both) {
          const ByteImage made = d2c::resample(input, expected.width, expected.height, filter,
                                               {.vectorised = vectorised});
          REQUIRE(made.pixels == expected.pixels);
        }
      });
  CHECK(results == 4 * 220);
}

TEST_CASE("resample reference: with width before height the bytes are those of two calls") {
  const int results = for_each_result(
      reference("passes.safetensors"), [](const std::string&, const ByteImage& input,
                                          ResampleFilter filter, const ByteImage& expected) {
        for (const bool vectorised : both) {
          const ByteImage made =
              d2c::resample(input, expected.width, expected.height, filter,
                            {.order = d2c::PassOrder::horizontal_first, .vectorised = vectorised});
          REQUIRE(made.pixels == expected.pixels);
        }
      });
  CHECK(results == 60);
}

TEST_CASE("resample reference: a window alone has the bytes it has in the whole image") {
  const auto file = reference("window.safetensors");
  const int results = for_each_result(file, [&](const std::string& name, const ByteImage& input,
                                                ResampleFilter filter, const ByteImage& expected) {
    std::istringstream note(file.metadata().at(name));
    int width = 0;
    int height = 0;
    d2c::PixelWindow window{0, 0, expected.width, expected.height};
    note >> width >> height >> window.left >> window.top;
    for (const bool vectorised : both) {
      const ByteImage made =
          d2c::resample_window(input, width, height, filter, window, {.vectorised = vectorised});
      REQUIRE(made.pixels == expected.pixels);
    }
  });
  CHECK(results == 90);
}

TEST_CASE("resample reference: the centre crop has the bytes of guided-diffusion's") {
  const auto file = reference("crop.safetensors");
  for (int index = 0; index < 60; ++index) {
    const std::string name = std::to_string(index);
    INFO("image " << index);
    const ByteImage input = image_of(file.entry(name + ".in"));
    const ByteImage expected = image_of(file.entry(name + ".out"));
    const int size = std::stoi(file.metadata().at(name));
    for (const bool vectorised : both) {
      const ByteImage made = d2c::adm_centre_crop(input, size, {.vectorised = vectorised});
      REQUIRE(made.width == size);
      REQUIRE(made.height == size);
      REQUIRE(made.pixels == expected.pixels);
    }
  }
}
