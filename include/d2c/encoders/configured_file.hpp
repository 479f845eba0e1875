#pragma once
/// What is said of a file that the configuration should name and does not. Torch-free.

#include <string>

#include <d2c/io/is_file.hpp>

namespace d2c {

/// "expected WHAT, found no path" or "..., found no file "..."", or nothing if the file is there;
/// reads nothing.
inline std::string configured_file_problem(const std::string& file, const std::string& what) {
  if (is_file(file)) {
    return {};
  }
  return "expected " + what + ", found " + (file.empty() ? "no path" : "no file \"" + file + "\"");
}

} // namespace d2c
