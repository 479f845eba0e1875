#pragma once
/// Typed sections to TOML text. What is written loads back to an equal section.

#include <charconv>
#include <concepts>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>

#include <d2c/config/adapt.hpp>

namespace d2c {

namespace detail {

inline std::string toml_text(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    switch (c) {
    case '"':
      text += "\\\"";
      break;
    case '\\':
      text += "\\\\";
      break;
    case '\n':
      text += "\\n";
      break;
    case '\t':
      text += "\\t";
      break;
    default:
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
        char escaped[8];
        std::snprintf(escaped, sizeof escaped, "\\u%04X", static_cast<unsigned>(c));
        text += escaped;
      } else {
        text += c;
      }
    }
  }
  return text + "\"";
}

template <class T>
std::string toml_value(const T& value) {
  if constexpr (std::same_as<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::integral<T>) {
    return std::to_string(value);
  } else if constexpr (std::floating_point<T>) {
    char digits[40];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    const std::string text(digits, end);
    return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
  } else if constexpr (std::convertible_to<const T&, std::string_view>) {
    return toml_text(value);
  } else {
    std::string text = "[";
    for (std::size_t i = 0; i < value.size(); ++i) {
      text += (i == 0 ? "" : ", ") + toml_value<typename T::value_type>(value[i]);
    }
    return text + "]";
  }
}

} // namespace detail

/// `[section]` and one `key = value` line per field, in the order of D2C_CONFIG. Numbers are
/// written with the fewest digits that read back to the same value. Keys in `fixed`, written
/// "section.key", are left out: a type decides them, and a file that sets them is refused.
template <ConfigSection Section>
std::string dump(const Section& section, const std::set<std::string>& fixed = {}) {
  const std::string name{Section::section};
  std::string text = "[" + name + "]\n";
  for_each_field(section, [&](std::string_view key, const auto& field) {
    if (fixed.contains(name + "." + std::string(key))) {
      return;
    }
    using Field = std::remove_cvref_t<decltype(field)>;
    text += std::string(key) + " = " + detail::toml_value<Field>(field) + "\n";
  });
  return text;
}

} // namespace d2c
