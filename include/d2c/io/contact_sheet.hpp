#pragma once
/// Many small images side by side in one, as the report and the sampler show them.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace d2c {

/// A sheet of rows x columns cells of one image size, two pixels apart, interleaved [height, width,
/// channels]. Images of 1 or 2 channels show their first one in grey, others their first three in
/// colour. Gaps and empty cells are white.
class ContactSheet {
public:
  ContactSheet(int rows, int columns, int channels, int image_height, int image_width)
      : channels_{channels >= 3 ? 3 : 1},
        image_height_{image_height},
        image_width_{image_width},
        height_{rows * (image_height + gap) - gap},
        width_{columns * (image_width + gap) - gap},
        pixels_(static_cast<std::size_t>(height_) * width_ * channels_, 255) {}

  /// Puts an image, planar [channels, height, width], into a cell.
  void place(int row, int column, const std::uint8_t* image) {
    const std::int64_t plane = std::int64_t{image_height_} * image_width_;
    for (int y = 0; y < image_height_; ++y) {
      for (int x = 0; x < image_width_; ++x) {
        const std::int64_t at = (std::int64_t{row * (image_height_ + gap) + y} * width_ +
                                 column * (image_width_ + gap) + x) *
                                channels_;
        for (int c = 0; c < channels_; ++c) {
          pixels_[static_cast<std::size_t>(at + c)] = image[c * plane + y * image_width_ + x];
        }
      }
    }
  }

  [[nodiscard]] int height() const { return height_; }

  [[nodiscard]] int width() const { return width_; }

  [[nodiscard]] int channels() const { return channels_; }

  [[nodiscard]] const std::vector<std::uint8_t>& pixels() const { return pixels_; }

private:
  static constexpr int gap = 2;

  int channels_;
  int image_height_;
  int image_width_;
  int height_;
  int width_;
  std::vector<std::uint8_t> pixels_;
};

} // namespace d2c
