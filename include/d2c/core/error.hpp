#pragma once
/// The two ways a d2c program stops. Holds the exception types and their exit codes and nothing
/// else; whoever throws writes the whole sentence (place, expected, found).

#include <stdexcept>

namespace d2c {

/// Something the user gave cannot be used: a file, a key, a value. Programs exit with code 2.
/// The message is one sentence that names the place, what was expected and what was found.
class InputError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
  static constexpr int exit_code = 2;
};

/// The run itself failed: a loss became NaN, the disk is full. Programs exit with code 1.
class Failure : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
  static constexpr int exit_code = 1;
};

} // namespace d2c
