#pragma once
/// ConfigFile to typed sections. Every problem is collected with its place; nothing is thrown here.

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <d2c/config/adapt.hpp>
#include <d2c/config/config_file.hpp>
#include <d2c/config/key_places.hpp>
#include <d2c/config/nearest.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/problem.hpp>

namespace d2c {

namespace detail {

template <class T>
struct ListElement : std::type_identity<void> {};

template <class T>
struct ListElement<std::vector<T>> : std::type_identity<T> {};

/// What a field of type T takes, for messages.
template <class T>
std::string expected_kind() {
  if constexpr (std::same_as<T, bool>) {
    return "a boolean";
  } else if constexpr (std::integral<T>) {
    return "an integer";
  } else if constexpr (std::floating_point<T>) {
    return "a number";
  } else if constexpr (std::same_as<T, std::string>) {
    return "a string";
  } else {
    using Element = typename ListElement<T>::type;
    static_assert(
        !std::is_void_v<Element>,
        "a configuration field is bool, an integer, double, std::string or a std::vector");
    return std::string("an array of ") + (std::same_as<Element, bool>    ? "booleans"
                                          : std::integral<Element>       ? "integers"
                                          : std::floating_point<Element> ? "numbers"
                                                                         : "strings");
  }
}

/// Sets `field` from `value`. Returns what is wrong, or nothing.
template <class T>
std::optional<std::string> set_field(T& field, const ConfigValue& value) {
  const auto mismatch = [&] {
    return "expected " + expected_kind<T>() + ", found " + value.kind();
  };
  if constexpr (std::same_as<T, bool> || std::same_as<T, std::string>) {
    if (const auto* held = std::get_if<T>(&value.data)) {
      field = *held;
      return {};
    }
    return mismatch();
  } else if constexpr (std::integral<T>) {
    const auto* held = std::get_if<std::int64_t>(&value.data);
    if (held == nullptr) {
      return mismatch();
    }
    if (!std::in_range<T>(*held)) {
      return "expected an integer from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
             std::to_string(std::numeric_limits<T>::max()) + ", found " + std::to_string(*held);
    }
    field = static_cast<T>(*held);
    return {};
  } else if constexpr (std::floating_point<T>) {
    if (const auto* whole = std::get_if<std::int64_t>(&value.data)) {
      field = static_cast<T>(*whole);
      return {};
    }
    const auto* held = std::get_if<double>(&value.data);
    if (held == nullptr) {
      return mismatch();
    }
    if (!std::isfinite(*held)) {
      return std::string("expected a finite number, found ") + (std::isnan(*held) ? "nan" : "inf");
    }
    field = static_cast<T>(*held);
    return {};
  } else {
    const auto* list = std::get_if<ConfigValue::List>(&value.data);
    if (list == nullptr) {
      return mismatch();
    }
    T filled;
    for (std::size_t i = 0; i < list->size(); ++i) {
      typename ListElement<T>::type element{};
      if (const auto wrong = set_field(element, (*list)[i])) {
        return "element " + std::to_string(i) + ": " + *wrong;
      }
      filled.push_back(std::move(element));
    }
    field = std::move(filled);
    return {};
  }
}

} // namespace detail

/// The section as the file and the overrides say, defaults elsewhere. Adds one problem per key
/// whose value has the wrong type or range, then asks the section's own `validate(section, places,
/// problems)` if it has one. Marks its keys as known for report_unknown.
template <ConfigSection Section>
Section load(ConfigFile& file, Problems& problems) {
  Section section;
  const std::string name{Section::section};
  KeyPlaces places(name);
  auto& known = file.known_keys[name];
  known.clear();
  const auto table = file.tables.find(name);
  if (table != file.tables.end()) {
    table->second.known = true;
  }
  bool all_fit = true;
  for_each_field(section, [&](std::string_view key, auto& field) {
    using Field = std::remove_reference_t<decltype(field)>;
    known.emplace_back(key);
    if (table == file.tables.end()) {
      return;
    }
    const auto found = table->second.keys.find(std::string(key));
    if (found == table->second.keys.end()) {
      return;
    }
    ConfigEntry& entry = found->second;
    entry.known = true;
    places.set(key, entry.value_place);
    if constexpr (std::same_as<Field, std::string>) {
      if (entry.from_command_line && !std::holds_alternative<std::string>(entry.value.data)) {
        field = entry.raw; // --set run.name=2024 means the word
        return;
      }
    }
    if (const auto wrong = detail::set_field(field, entry.value)) {
      problems.add(entry.value_place,
                   "key \"" + std::string(key) + "\" in [" + name + "]: " + *wrong);
      all_fit = false;
    }
  });
  if constexpr (requires { Section::validate(section, places, problems); }) {
    if (all_fit) {
      Section::validate(section, places, problems);
    }
  }
  return section;
}

/// Adds a problem for every table and key that no loaded section knows, naming the nearest known
/// one. Call it after all sections were loaded.
template <class = Once>
void report_unknown(const ConfigFile& file, Problems& problems) {
  std::vector<std::string> sections;
  for (const auto& [section, keys] : file.known_keys) {
    sections.push_back(section);
  }
  for (const auto& [name, table] : file.tables) {
    if (!table.known) {
      problems.add(table.place, "unknown table [" + name + "], the nearest known table is [" +
                                    nearest(name, sections) + "]");
      continue;
    }
    for (const auto& [key, entry] : table.keys) {
      if (!entry.known) {
        problems.add(entry.key_place, "unknown key \"" + key + "\" in [" + name +
                                          "], the nearest known key is \"" +
                                          nearest(key, file.known_keys.at(name)) + "\"");
      }
    }
  }
}
D2C_COMPILED_ONCE(void report_unknown<>(const ConfigFile&, Problems&))

/// Adds a problem if the configuration sets `section.key`, which the type `fixed_by` fixes.
inline void report_fixed(const ConfigFile& file, std::string_view section_key,
                         std::string_view fixed_by, Problems& problems) {
  const auto dot = section_key.find('.');
  const auto table = file.tables.find(std::string(section_key.substr(0, dot)));
  if (dot == std::string_view::npos || table == file.tables.end()) {
    return;
  }
  const auto entry = table->second.keys.find(std::string(section_key.substr(dot + 1)));
  if (entry != table->second.keys.end()) {
    problems.add(entry->second.key_place,
                 "[d2c.config.fixed] the type " + std::string(fixed_by) + " fixes " +
                     std::string(section_key) +
                     ". Fix: remove the key or use the policy that reads it");
  }
}

} // namespace d2c
