#pragma once
/// TOML text to ConfigFile. The only header that includes toml++.

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#if __has_include(<toml++/toml.hpp>)
#include <toml++/toml.hpp>
#else
#include <toml++/toml.h>
#endif

#include <d2c/config/config_file.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>

namespace d2c {

namespace detail {

inline std::string toml_place(const std::string& path, const toml::source_region& region) {
  return path + ":" + std::to_string(region.begin.line) + ":" + std::to_string(region.begin.column);
}

inline ConfigValue config_value(const toml::node& node) {
  if (const auto* value = node.as_boolean()) {
    return {value->get()};
  }
  if (const auto* value = node.as_integer()) {
    return {value->get()};
  }
  if (const auto* value = node.as_floating_point()) {
    return {value->get()};
  }
  if (const auto* value = node.as_string()) {
    return {value->get()};
  }
  if (const auto* array = node.as_array()) {
    ConfigValue::List list;
    for (const toml::node& element : *array) {
      list.push_back(config_value(element));
    }
    return {std::move(list)};
  }
  return {ConfigValue::Foreign{node.is_table() ? "a table" : "a date or time"}};
}

/// The line of a key of more than 16 parts (`a.b.c` has three), or 0. Tables of any depth made of
/// one would be destroyed by recursion; the parser limits the depth of values alone.
inline std::size_t line_of_long_key(std::string_view text) {
  constexpr int most = 16;
  std::size_t line = 1;
  int parts = 1;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size()) - 1;
    } else if (c == '"' || c == '\'') {
      const bool triple = text.substr(at, 3) == std::string(3, c);
      for (at += triple ? 3 : 1; at < text.size(); ++at) {
        line += text[at] == '\n' ? 1U : 0U;
        if (c == '"' && text[at] == '\\' && text.substr(at + 1, 1) != "\n") {
          ++at;
        } else if (triple && text.substr(at, 3) == std::string(3, c)) {
          // Two quotes more may end it: they belong to the string.
          at += 2;
          for (int more = 0; more < 2 && text.substr(at + 1, 1) == std::string(1, c); ++more) {
            ++at;
          }
          break;
        } else if (!triple && (text[at] == c || text[at] == '\n')) {
          break;
        }
      }
    } else if (c == '.' && ++parts > most) {
      return line;
    } else if (std::string_view{"=,[]{}\n"}.find(c) != std::string_view::npos) {
      line += c == '\n' ? 1U : 0U;
      parts = 1;
    }
  }
  return 0;
}

} // namespace detail

/// Parses TOML text; `path` is used in places. Throws InputError `path:line:col: sentence` for a
/// syntax error or a key outside of any table.
template <class = Once>
ConfigFile parse_config(std::string_view text, const std::string& path) {
  ConfigFile file{.path = path, .tables = {}, .known_keys = {}};
  if (const std::size_t line = detail::line_of_long_key(text)) {
    throw InputError(path + ":" + std::to_string(line) +
                     ":1: expected keys of at most 16 parts, found a longer one");
  }
  toml::table root;
  try {
    root = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    throw InputError(detail::toml_place(path, error.source()) +
                     ": this is not valid TOML: " + std::string(error.description()));
  }
  for (const auto& [name, node] : root) {
    const toml::table* const table = node.as_table();
    if (table == nullptr) {
      throw InputError(detail::toml_place(path, name.source()) + ": key \"" +
                       std::string(name.str()) +
                       "\" stands outside of a table, expected it below a header such as [run]");
    }
    ConfigTable& target = file.tables[std::string(name.str())];
    target.place = detail::toml_place(path, name.source());
    for (const auto& [key, value] : *table) {
      target.keys[std::string(key.str())] = {.value = detail::config_value(value),
                                             .key_place = detail::toml_place(path, key.source()),
                                             .value_place =
                                                 detail::toml_place(path, value.source()),
                                             .raw = {}};
    }
  }
  return file;
}
D2C_COMPILED_ONCE(ConfigFile parse_config<>(std::string_view, const std::string&))

/// Reads and parses a file. Throws InputError when it cannot be read or is not TOML.
template <class = Once>
ConfigFile read_config(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw InputError("cannot read the configuration " + path.string() +
                     ": expected a TOML file, found a folder");
  }
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw InputError("cannot read the configuration " + path.string() + ": " +
                     std::strerror(errno != 0 ? errno : EIO));
  }
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return parse_config(text, path.string());
}
D2C_COMPILED_ONCE(ConfigFile read_config<>(const std::filesystem::path&))

/// Applies one `section.key=value` of the command line over the file. The value is TOML; what is
/// not TOML (a bare word, a path) is a string. Throws InputError when there is no section, key or
/// '='.
template <class = Once>
void apply_override(ConfigFile& file, const std::string& argument) {
  const auto equals = argument.find('=');
  const auto dot = argument.find('.');
  const auto refuse = [&] {
    throw InputError("--set " + argument + ": expected section.key=value, found \"" + argument +
                     "\"");
  };
  if (equals == std::string::npos || dot == std::string::npos || dot > equals) {
    refuse();
  }
  const std::string section = argument.substr(0, dot);
  const std::string key = argument.substr(dot + 1, equals - dot - 1);
  const std::string raw = argument.substr(equals + 1);
  if (section.empty() || key.empty() || key.find('.') != std::string::npos) {
    refuse();
  }
  ConfigValue value{raw};
  if (detail::line_of_long_key(raw) == 0) {
    try {
      const toml::table parsed = toml::parse("value = " + raw);
      if (parsed.size() == 1) {
        value = detail::config_value(*parsed.get("value"));
      }
    } catch (const toml::parse_error&) {
      // a bare word: the text itself is the value
    }
  }
  const std::string place = "--set " + argument;
  ConfigTable& table = file.tables[section];
  if (table.place.empty()) {
    table.place = place;
  }
  table.keys[key] = {.value = std::move(value),
                     .key_place = place,
                     .value_place = place,
                     .from_command_line = true,
                     .raw = raw};
}
D2C_COMPILED_ONCE(void apply_override<>(ConfigFile&, const std::string&))

} // namespace d2c
