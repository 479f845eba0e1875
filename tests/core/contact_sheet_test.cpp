/// Contact sheets. Oracle: by hand.

#include <cstdint>
#include <vector>

#include <catch.hpp>

#include <d2c/io/contact_sheet.hpp>

using namespace d2c;

TEST_CASE("contact sheet: an RGB sheet keeps its colours and its gaps") {
  std::vector<std::uint8_t> image(3 * 2 * 2);
  for (std::size_t i = 0; i < image.size(); ++i) {
    image[i] = static_cast<std::uint8_t>(10 * i);
  }
  ContactSheet sheet{2, 2, 3, 2, 2};
  sheet.place(0, 0, image.data());
  sheet.place(0, 1, image.data());
  sheet.place(1, 0, image.data());
  REQUIRE(sheet.channels() == 3);
  REQUIRE(sheet.width() == 6);
  REQUIRE(sheet.height() == 6);
  const auto pixel = [&](int x, int y) {
    const auto* p = sheet.pixels().data() + 3 * (y * sheet.width() + x);
    return std::vector<int>{p[0], p[1], p[2]};
  };
  CHECK(pixel(1, 0) == std::vector<int>{10, 50, 90});    // first image, row 0, column 1
  CHECK(pixel(2, 0) == std::vector<int>{255, 255, 255}); // gap
  CHECK(pixel(4, 1) == std::vector<int>{20, 60, 100});   // second image, row 1, column 0
  CHECK(pixel(5, 5) == std::vector<int>{255, 255, 255}); // no fourth image
}

TEST_CASE("contact sheet: an image of two channels shows the first in grey") {
  const std::vector<std::uint8_t> image{1, 2, 3, 4, 50, 60, 70, 80};
  ContactSheet sheet{1, 1, 2, 2, 2};
  sheet.place(0, 0, image.data());
  CHECK(sheet.channels() == 1);
  CHECK(sheet.pixels() == std::vector<std::uint8_t>{1, 2, 3, 4});
}
