#pragma once
/// The parsed configuration before it is typed: tables of keys, each value with its place. No TOML
/// library in sight; config/read.hpp fills it from text.

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace d2c {

/// A value as TOML knows it. `Foreign` stands for what no section uses (dates, inline tables) and
/// holds the name of its kind for the message.
struct ConfigValue {
  struct Foreign {
    std::string kind;
  };

  using List = std::vector<ConfigValue>;
  std::variant<bool, std::int64_t, double, std::string, List, Foreign> data;

  [[nodiscard]] std::string kind() const {
    static constexpr const char* names[] = {"a boolean", "an integer", "a number", "a string",
                                            "an array"};
    const auto* foreign = std::get_if<Foreign>(&data);
    return foreign != nullptr ? foreign->kind : names[data.index()];
  }
};

/// One `key = value`: the value, the place of the key and of the value (`file:line:col`, or the
/// `--set` argument), and for `--set` the text behind the equals sign.
struct ConfigEntry {
  ConfigValue value;
  std::string key_place;
  std::string value_place;
  bool from_command_line = false;
  std::string raw;
  bool known = false; ///< some section has this key
};

/// One table `[section]`.
struct ConfigTable {
  std::string place;
  std::map<std::string, ConfigEntry> keys;
  bool known = false;
};

/// Everything a configuration file and the `--set` arguments say. Tables by name.
struct ConfigFile {
  std::string path;
  std::map<std::string, ConfigTable> tables;
  std::map<std::string, std::vector<std::string>> known_keys; ///< by section, filled by load()
};

} // namespace d2c
