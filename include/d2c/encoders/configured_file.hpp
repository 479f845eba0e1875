#pragma once
/// What is said of a file that the configuration should name and does not. Torch-free.

#include <string>
#include <string_view>
#include <utility>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
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

/// Throws InputError "PLACE: expected ..." with configured_file_problem, if there is one.
inline void require_configured_file(const std::string& place, const std::string& file,
                                    const std::string& what) {
  if (const std::string problem = configured_file_problem(file, what); !problem.empty()) {
    throw InputError(place + ": " + problem);
  }
}

/// Adds configured_file_problem at `place`, if there is one. Whether the file is there.
inline bool check_configured_file(Problems& problems, std::string_view place,
                                  const std::string& file, const std::string& what) {
  std::string problem = configured_file_problem(file, what);
  const bool there = problem.empty();
  if (!there) {
    problems.add(std::string(place), std::move(problem));
  }
  return there;
}

} // namespace d2c
