#pragma once
/// Names of images by their place in a split.

#include <cstddef>
#include <cstdio>
#include <string>

#include <d2c/data/image_set.hpp>

namespace d2c {

/// "train/000042" or "test/000042".
inline std::string numbered_id(Split split, std::size_t place) {
  char text[40];
  std::snprintf(text, sizeof text, "%s/%06zu", split == Split::train ? "train" : "test", place);
  return text;
}

} // namespace d2c
