/// Pixel-space codec. Oracle: the formulas by hand.

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <catch.hpp>

#include <d2c/data/pixels_codec.hpp>

namespace {

d2c::ImageSet every_value() {
  d2c::ImageSet set;
  set.channels = 1;
  set.height = 8;
  set.width = 16;
  set.pixels.resize(256);
  std::iota(set.pixels.begin(), set.pixels.end(), std::uint8_t{0});
  set.labels = {0, 0};
  set.ids = {"a", "b"};
  set.class_names = {"x"};
  set.origin = "test";
  return set;
}

} // namespace

TEST_CASE("pixels: every value survives encode and decode") {
  const auto set = every_value();
  const auto codec = d2c::make_codec(d2c::Pixels{});
  const std::vector<std::int64_t> both{1, 0, 1};
  const auto latents = codec->encode(set, both);
  REQUIRE(latents.sizes() == at::IntArrayRef({3, 1, 8, 16}));
  REQUIRE(latents.scalar_type() == at::kFloat);
  CHECK(latents[1].min().item<float>() == -1.0f);
  CHECK(latents[0].max().item<float>() == 1.0f);
  CHECK(latents[1].flatten()[51].item<float>() == Approx(-0.6));
  const auto images = codec->decode(latents);
  REQUIRE(images.scalar_type() == at::kByte);
  REQUIRE(images.sizes() == latents.sizes());
  for (int i = 0; i < 128; ++i) {
    CHECK(images[1].flatten()[i].item<int>() == i);
    CHECK(images[0].flatten()[i].item<int>() == 128 + i);
    CHECK(images[2].flatten()[i].item<int>() == 128 + i);
  }
  CHECK(codec->channels(set) == 1);
  CHECK(codec->height(set) == 8);
  CHECK(codec->width(set) == 16);
}

TEST_CASE("pixels: decoding clamps and rounds half up") {
  const float inf = std::numeric_limits<float>::infinity();
  const auto x = at::tensor({-7.0f, -1.0f, 0.0f, 1.0f, 1.01f, 9.0f, inf, -inf, std::nanf("")})
                     .reshape({1, 1, 1, 9});
  const auto y = d2c::PixelsCodec{}.decode(x).flatten();
  const std::vector<int> expected{0, 0, 128, 255, 255, 255, 255, 0, 0};
  for (int i = 0; i < 9; ++i) {
    CHECK(y[i].item<int>() == expected[static_cast<std::size_t>(i)]);
  }
}

TEST_CASE("pixels: an index outside the set is refused") {
  const auto set = every_value();
  const std::vector<std::int64_t> beyond{2};
  const std::vector<std::int64_t> negative{-1};
  CHECK_THROWS_AS(d2c::PixelsCodec{}.encode(set, beyond), d2c::Failure);
  CHECK_THROWS_AS(d2c::PixelsCodec{}.encode(set, negative), d2c::Failure);
}
