#pragma once
/// Which network of DINOv2 a file holds. Torch-free.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>

namespace d2c {

/// The shape that tensors of these names point at; shape_of(name) gives the extents of one. Names
/// of another network give some shape whose tensors they are not: DINOv2Network then lists what
/// differs. Throws InputError, in the name of `file`, where an extent or the number of
/// blocks is that of no network.
template <class ShapeOf>
DINOv2Shape dinov2_shape_of(const std::vector<std::string>& names, const ShapeOf& shape_of,
                            const std::string& file = "the weights of DINOv2") {
  const DINOv2Names layout = dinov2_names_of(names);
  const std::unordered_set<std::string_view> known{names.begin(), names.end()};
  const auto has = [&](const std::string& name) { return known.contains(name); };
  const auto extent = [&](const std::string& name, std::size_t axis, std::int64_t otherwise) {
    if (!has(name)) {
      return otherwise;
    }
    const std::vector<std::int64_t> found = shape_of(name);
    return axis < found.size() ? found[axis] : otherwise;
  };
  // Ten times what is published; sizes made of them fit an int.
  constexpr std::int64_t most_width = 1 << 14;
  constexpr std::int64_t most_tokens = 1 << 10;
  constexpr int most_depth = 1 << 10;
  const auto refuse = [&file](const std::string& what, std::int64_t found) {
    throw InputError(file + ": expected " + what + ", found " + std::to_string(found));
  };
  DINOv2Shape shape;
  const std::int64_t width = extent(layout.class_token(), 2, shape.width);
  if (width < 1 || width > most_width || width % DINOv2Shape::head_width != 0) {
    refuse(layout.class_token() + " of a width that is a multiple of " +
               std::to_string(DINOv2Shape::head_width) + " up to " + std::to_string(most_width),
           width);
  }
  shape.width = static_cast<int>(width);
  const std::int64_t registers = extent(layout.registers(), 1, 0);
  if (registers < 0 || registers > most_tokens) {
    refuse("at most " + std::to_string(most_tokens) + " tokens in " + layout.registers(),
           registers);
  }
  shape.registers = static_cast<int>(registers);
  int depth = 0;
  while (has(layout.block(depth) + "norm1.weight")) {
    ++depth;
  }
  if (depth > most_depth) {
    refuse("at most " + std::to_string(most_depth) + " blocks", depth);
  }
  shape.depth = depth > 0 ? depth : shape.depth;
  const std::string gated = layout.feed_forward(0, true).first + ".weight";
  const std::int64_t inner = extent(gated, 0, 0);
  const std::int64_t hidden = extent(layout.feed_forward(0, true).second + ".weight", 1, 0);
  shape.swiglu = inner > 0 && inner % 2 == 0 && inner / 2 == hidden;
  const bool without_class = layout.layout == DINOv2Layout::timm && shape.registers > 0;
  const std::int64_t places = extent(layout.positions(), 1, 0) - (without_class ? 0 : 1);
  if (places > most_tokens * most_tokens) {
    refuse("at most " + std::to_string(most_tokens * most_tokens) + " places in " +
               layout.positions(),
           places);
  }
  const auto side = static_cast<int>(
      std::lround(std::sqrt(static_cast<double>(std::max<std::int64_t>(0, places)))));
  shape.positions = side > 0 ? side : shape.positions;
  return shape;
}

/// "DINOv2L", "DINOv2SRegisters", or the numbers of a network that is not published.
inline std::string dinov2_name(const DINOv2Shape& shape) {
  DINOv2Shape plain = shape;
  plain.registers = 0;
  const std::string registers = shape.registers > 0 ? "Registers" : "";
  if (shape.registers == 0 || shape.registers == 4) {
    if (plain == dinov2_shapes::S) {
      return "DINOv2S" + registers;
    }
    if (plain == dinov2_shapes::B) {
      return "DINOv2" + registers;
    }
    if (plain == dinov2_shapes::L) {
      return "DINOv2L" + registers;
    }
    if (plain == dinov2_shapes::g) {
      return "DINOv2g" + registers;
    }
  }
  return "DINOv2 of width " + std::to_string(shape.width) + " with " + std::to_string(shape.depth) +
         " blocks and " + std::to_string(shape.registers) + " registers";
}

} // namespace d2c
