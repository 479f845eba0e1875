#pragma once
/// What a state dict lacks, holds too much, or holds in another shape or type than a network's.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/io/dtype.hpp>

namespace d2c {

/// A tensor of a file without its values.
struct StoredShape {
  std::vector<std::int64_t> shape;
  DType dtype = DType::F32;
};

/// All differences between the expected tensors (of any floating type) and those found, as text:
/// first the missing ones (with what `unreadable` says of that name in the file), then the
/// unexpected ones, then those of another shape or type, each sorted by name; empty if there is
/// none.
template <class = Once>
std::string
weight_differences(const std::map<std::string, std::vector<std::int64_t>>& expected,
                   const std::map<std::string, StoredShape>& found,
                   const std::map<std::string, std::string, std::less<>>& unreadable = {}) {
  const auto text = [](const std::vector<std::int64_t>& shape) {
    std::string sizes = "[";
    for (const std::int64_t extent : shape) {
      sizes += (sizes.size() > 1 ? ", " : "") + std::to_string(extent);
    }
    return sizes + "]";
  };
  const auto full = [&](const StoredShape& stored) {
    return text(stored.shape) + " " + std::string(name_of(stored.dtype));
  };
  const auto floating = [](DType dtype) {
    return dtype == DType::F32 || dtype == DType::F16 || dtype == DType::BF16 ||
           dtype == DType::F64;
  };
  std::string missing;
  std::string unexpected;
  std::string different;
  for (const auto& [name, shape] : expected) {
    const auto at = found.find(name);
    if (at == found.end()) {
      const auto kind = unreadable.find(name);
      missing += "; missing " + name + " " + text(shape) +
                 (kind == unreadable.end() ? "" : " (there is " + kind->second + ")");
    } else if (at->second.shape != shape) {
      different +=
          "; mis-shaped " + name + ", expected " + text(shape) + ", found " + full(at->second);
    } else if (!floating(at->second.dtype)) {
      different += "; " + name + " expected in a floating type, found " + full(at->second);
    }
  }
  for (const auto& [name, stored] : found) {
    if (!expected.contains(name)) {
      unexpected += "; unexpected " + name + " " + full(stored);
    }
  }
  const std::string all = missing + unexpected + different;
  return all.empty() ? all : all.substr(2);
}
D2C_COMPILED_ONCE(
    std::string weight_differences<>(const std::map<std::string, std::vector<std::int64_t>>&,
                                     const std::map<std::string, StoredShape>&,
                                     const std::map<std::string, std::string, std::less<>>&))

} // namespace d2c
