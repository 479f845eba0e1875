#pragma once
/// Sample images side by side in one picture. Torch-free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include <d2c/io/png.hpp>

namespace d2c {

/// Writes images of one size as a grid of `columns` with two white pixels between them. `images`
/// point at [channels, height, width] bytes; 1 channel gives a grey picture, otherwise the first
/// three are red, green and blue (two give grey from the first). Failure if the file cannot be
/// written.
inline void write_image_grid(const std::filesystem::path& path,
                             std::span<const std::uint8_t* const> images, int columns, int channels,
                             int height, int width) {
  constexpr int gap = 2;
  const int count = static_cast<int>(images.size());
  const int across = std::max(1, std::min(columns, count));
  const int down = std::max(1, (count + across - 1) / across);
  const int out_channels = channels >= 3 ? 3 : 1;
  const int out_width = across * (width + gap) - gap;
  const int out_height = down * (height + gap) - gap;
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(out_width) * out_height * out_channels,
                                   255);
  for (int i = 0; i < count; ++i) {
    const int left = i % across * (width + gap);
    const int top = i / across * (height + gap);
    for (int c = 0; c < out_channels; ++c) {
      for (int y = 0; y < height; ++y) {
        for (int x = 0; x < width; ++x) {
          const auto to =
              (static_cast<std::size_t>(top + y) * out_width + left + x) * out_channels + c;
          pixels[to] = images[static_cast<std::size_t>(i)]
                             [(static_cast<std::size_t>(c) * height + y) * width + x];
        }
      }
    }
  }
  write_png(path, pixels, out_width, out_height, out_channels);
}

} // namespace d2c
