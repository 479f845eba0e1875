#pragma once
/// Options that a configuration names by a word: from the word to the enumerator and back.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace d2c {

/// The words of an enumeration in the order of its enumerators, which count from 0. Each
/// enumeration specialises it in its own header.
template <class Enum>
inline constexpr std::array<std::string_view, 0> option_names{};

/// The word of an enumerator.
template <class Enum>
[[nodiscard]] constexpr std::string_view option_name(Enum value) {
  return option_names<Enum>[static_cast<std::size_t>(value)];
}

/// The enumerator that `word` names; nothing for another word.
template <class Enum>
[[nodiscard]] constexpr std::optional<Enum> option_from_name(std::string_view word) {
  for (std::size_t i = 0; i < option_names<Enum>.size(); ++i) {
    if (option_names<Enum>[i] == word) {
      return static_cast<Enum>(i);
    }
  }
  return std::nullopt;
}

/// All words for a message: "a", "b" or "c" in quotation marks.
template <class Enum>
[[nodiscard]] std::string option_choices() {
  std::string text;
  const auto& names = option_names<Enum>;
  for (std::size_t i = 0; i < names.size(); ++i) {
    text += i == 0 ? "" : i + 1 == names.size() ? " or " : ", ";
    text += '"';
    text += names[i];
    text += '"';
  }
  return text;
}

} // namespace d2c
