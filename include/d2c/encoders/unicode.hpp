#pragma once
/// Code points of UTF-8 text, as the tokenizers see them. Torch-free; Unicode facts come from
/// utf8proc.

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <utf8proc.h>

namespace d2c::unicode {

using CodePoint = utf8proc_int32_t;

/// What stands for a byte that belongs to no code point.
inline constexpr CodePoint replacement = 0xFFFD;

/// The code points of `text` (UTF-8; each broken byte counts as U+FFFD).
inline std::vector<CodePoint> code_points(std::string_view text) {
  std::vector<CodePoint> points;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (auto left = static_cast<utf8proc_ssize_t>(text.size()); left > 0;) {
    CodePoint point = -1;
    const utf8proc_ssize_t used = utf8proc_iterate(bytes, left, &point);
    points.push_back(used > 0 ? point : replacement);
    const utf8proc_ssize_t step = used > 0 ? used : 1;
    bytes += step;
    left -= step;
  }
  return points;
}

/// One code point in UTF-8.
inline std::string utf8(CodePoint point) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const utf8proc_ssize_t count = utf8proc_encode_char(point, bytes.data());
  return {reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(count)};
}

/// Code points in UTF-8, one after another.
inline std::string utf8(std::span<const CodePoint> points) {
  std::string text;
  for (const CodePoint point : points) {
    text += utf8(point);
  }
  return text;
}

/// White space as Unicode has it: the property White_Space.
inline bool is_space(CodePoint point) {
  if ((point >= 0x09 && point <= 0x0D) || point == 0x20 || point == 0x85) {
    return true;
  }
  const auto category = utf8proc_category(point);
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

} // namespace d2c::unicode
