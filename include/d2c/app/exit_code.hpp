#pragma once
/// How every program ends: errors as sentences, and the exit code.

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include <d2c/core/error.hpp>

namespace d2c {

namespace detail {

/// The line with everything that a terminal would obey as \xNN: names come from untrusted files.
inline std::string printable(std::string_view line) {
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const auto byte = static_cast<unsigned char>(line[i]);
    const auto before = static_cast<unsigned char>(i == 0 ? 0 : line[i - 1]);
    const bool second_half_of_c1 = before == 0xC2 && byte >= 0x80 && byte < 0xA0;
    if (byte < 0x20 || byte == 0x7F || second_half_of_c1) {
      constexpr std::string_view digits = "0123456789ABCDEF";
      text += {'\\', 'x', digits[byte / 16], digits[byte % 16]};
    } else {
      text += line[i];
    }
  }
  return text;
}

/// The line, or its beginning where it is longer than the complete list of a large network's
/// tensors: a name in an untrusted file may have 50 MB.
inline std::string shortened(std::string_view line) {
  constexpr std::size_t most = 100'000;
  if (line.size() <= most) {
    return std::string(line);
  }
  std::size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0U) == 0x80U) {
    --end; // not within a character of UTF-8
  }
  return std::string(line.substr(0, end)) + "...";
}

/// `error: ` before every line, and only the first line of what other libraries say.
inline void print_error(std::FILE* err, std::string_view text, bool all_lines) {
  for (std::size_t at = 0; at <= text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    if (end > at) {
      std::fprintf(err, "error: %s\n", printable(shortened(text.substr(at, end - at))).c_str());
      if (!all_lines) {
        return;
      }
    }
    at = end + 1;
  }
}

} // namespace detail

/// What body() returns, or 2 for bad input and 1 for any failure. Errors are one sentence each on
/// `err`, with `error: ` in front.
template <class Body>
int exit_code_of(std::FILE* err, const Body& body) {
  try {
    return body();
  } catch (const InputError& error) {
    detail::print_error(err, error.what(), true);
    return InputError::exit_code;
  } catch (const Failure& error) {
    detail::print_error(err, error.what(), true);
    return Failure::exit_code;
  } catch (const std::bad_alloc&) {
    detail::print_error(err, "this machine has not enough memory for this run", false);
    return Failure::exit_code;
  } catch (const std::exception& error) {
    detail::print_error(err, error.what(), false);
    return Failure::exit_code;
  }
}

} // namespace d2c
