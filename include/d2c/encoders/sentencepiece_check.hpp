#pragma once
/// What the SentencePiece library takes on trust in a vocabulary file, checked before it is asked:
/// its tables of character replacements have no bounds of their own. Torch-free.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace d2c {

namespace sentencepiece_detail {

using Bytes = std::span<const std::byte>;

/// One field of a protobuf message.
struct Field {
  std::uint64_t number = 0;
  unsigned kind = 0;
  Bytes content; ///< of kinds 1, 2 and 5
};

inline std::optional<std::uint64_t> take_number(Bytes& bytes) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !bytes.empty(); shift += 7) {
    const auto byte = std::to_integer<std::uint64_t>(bytes.front());
    bytes = bytes.subspan(1);
    value |= (byte & 0x7F) << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  return std::nullopt;
}

/// The next field, which is taken off `bytes`; nothing for bytes that are no message.
inline std::optional<Field> take_field(Bytes& bytes) {
  const auto tag = take_number(bytes);
  // The library keeps 32 bits of a tag: a longer one would be another field there.
  if (!tag || *tag > 0xFFFF'FFFFU) {
    return std::nullopt;
  }
  Field field{*tag >> 3, static_cast<unsigned>(*tag & 7), {}};
  std::uint64_t size = 0;
  if (field.kind == 0) {
    return take_number(bytes) ? std::optional(field) : std::nullopt;
  }
  if (field.kind == 2) {
    const auto length = take_number(bytes);
    if (!length) {
      return std::nullopt;
    }
    size = *length;
  } else if (field.kind == 1 || field.kind == 5) {
    size = field.kind == 1 ? 8 : 4;
  } else {
    return std::nullopt;
  }
  if (size > bytes.size()) {
    return std::nullopt;
  }
  field.content = bytes.first(static_cast<std::size_t>(size));
  bytes = bytes.subspan(static_cast<std::size_t>(size));
  return field;
}

/// Whether no walk through a table of replacements leaves it: the size of a double array (Darts-
/// clone's units of four bytes), the array, and the replacements, each closed by a zero byte.
inline bool bounded_replacements(Bytes table) {
  if (table.empty()) {
    return true;
  }
  std::uint32_t size = 0;
  if (table.size() <= 4) {
    return false;
  }
  std::memcpy(&size, table.data(), 4);
  // The array comes in blocks of 256 units.
  if (size == 0 || size % 1024 != 0 || size > table.size() - 4) {
    return false;
  }
  const Bytes array = table.subspan(4, size);
  const Bytes replacements = table.subspan(4 + std::size_t{size});
  if (!replacements.empty() && replacements.back() != std::byte{0}) {
    return false;
  }
  const std::uint32_t units = size / 4;
  const auto unit_at = [&](std::uint32_t index) {
    std::uint32_t unit = 0;
    std::memcpy(&unit, array.data() + std::size_t{4} * index, 4);
    return unit;
  };
  for (std::uint32_t i = 0; i < units; ++i) {
    const std::uint32_t unit = unit_at(i);
    if ((unit & 0x8000'0000U) != 0) {
      continue; // a value, from which no step leads on
    }
    const std::uint32_t next = i ^ ((unit >> 10) << ((unit & (1U << 9)) >> 6));
    if ((next | 0xFFU) >= units) {
      return false;
    }
    const bool has_value = (unit & (1U << 8)) != 0;
    if (has_value && (unit_at(next) & 0x7FFF'FFFFU) >= replacements.size()) {
      return false;
    }
  }
  return true;
}

} // namespace sentencepiece_detail

/// What is wrong with the bytes of a vocabulary file, or nothing: text that is no message, scores
/// that are no numbers, replacements that would be read outside their table. All else the library
/// checks itself.
inline std::string_view sentencepiece_problem(std::span<const std::byte> bytes) {
  using namespace sentencepiece_detail;
  constexpr std::string_view no_message = "bytes that are no message";
  while (!bytes.empty()) {
    const auto part = take_field(bytes);
    if (!part) {
      return no_message;
    }
    const bool piece = part->number == 1;
    const bool normaliser = part->number == 3 || part->number == 5;
    if (part->kind != 2 || !(piece || normaliser)) {
      continue;
    }
    for (auto inside = part->content; !inside.empty();) {
      const auto field = take_field(inside);
      if (!field) {
        return no_message;
      }
      if (piece && field->number == 2 && field->kind == 5) {
        float score = 0;
        std::memcpy(&score, field->content.data(), 4);
        if (!std::isfinite(score)) {
          return "the score of a piece that is no number";
        }
      }
      if (normaliser && field->number == 2 && field->kind == 2 &&
          !bounded_replacements(field->content)) {
        return "replacements of characters outside their table";
      }
    }
  }
  return {};
}

} // namespace d2c
