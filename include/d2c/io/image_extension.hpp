#pragma once
/// Which file names are taken for images.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace d2c {

/// Whether a name ends as torchvision's image folders expect it, in any case. What the file really
/// is, its content says when it is decoded.
inline bool has_image_extension(std::string_view name) {
  constexpr std::array<std::string_view, 9> extensions = {".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                                          ".pgm", ".tif",  ".tiff", ".webp"};
  std::string lower{name};
  for (char& c : lower) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](std::string_view extension) { return lower.ends_with(extension); });
}

} // namespace d2c
