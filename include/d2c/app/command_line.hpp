#pragma once
/// The command line of every d2c program. Its parser is app/parse_command_line.hpp.

#include <optional>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>

namespace d2c {

/// What the user asked for. `command` is "run" if none was given.
struct CommandLine {
  std::string command = "run";
  std::string config;
  std::vector<std::string> overrides; ///< `section.key=value`, in order
  std::string out;                    ///< empty: [run] out
  std::string device;                 ///< empty: [run] device
  bool resume = false;
  bool quiet = false;
};

/// Parses the arguments. Returns nothing if help or the version was asked for; `shown` is the text
/// then. Throws InputError with one sentence for anything it does not know.
template <class = Once>
std::optional<CommandLine> parse_command_line(int argc, const char* const* argv,
                                              std::string& shown);

} // namespace d2c
