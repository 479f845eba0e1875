#pragma once
/// A tensor of a published file as its name and shape. Torch-free; holds no values.

#include <cstdint>
#include <string>
#include <vector>

namespace d2c {

/// One tensor that a network reads from a file.
struct NamedShape {
  std::string name;
  std::vector<std::int64_t> shape;
  bool needed = true; ///< false for tensors of published files that inference does not read

  [[nodiscard]] std::int64_t count() const {
    std::int64_t product = 1;
    for (const auto extent : shape) {
      product *= extent;
    }
    return product;
  }

  friend bool operator==(const NamedShape&, const NamedShape&) = default;
};

} // namespace d2c
