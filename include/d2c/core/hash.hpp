#pragma once
/// XXH3 of texts and files, as 16 hexadecimal digits. Names artifacts and notices damage; not for
/// security.

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#ifndef XXH_INLINE_ALL
#define XXH_INLINE_ALL
#endif
#include <xxhash.h>

#include <d2c/core/error.hpp>

namespace d2c {

namespace detail {

inline std::string hash_digits(XXH64_hash_t hash) {
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

} // namespace detail

/// XXH3-64 of the bytes, as a number.
inline std::uint64_t hash_number(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

/// XXH3-64 of the bytes.
inline std::string hash_of_text(std::string_view text) {
  return detail::hash_digits(hash_number(text));
}

/// XXH3-64 of the content of a file, read in pieces. Throws InputError when it cannot be read.
inline std::string hash_of_file(const std::filesystem::path& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  const auto refuse = [&] {
    throw InputError("cannot read " + path.string() + ": " + std::strerror(errno));
  };
  if (!file) {
    refuse();
  }
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::vector<char> piece(std::size_t{1} << 20);
  while (const std::size_t bytes = std::fread(piece.data(), 1, piece.size(), file.get())) {
    XXH3_64bits_update(state.get(), piece.data(), bytes);
  }
  if (std::ferror(file.get()) != 0) {
    refuse();
  }
  return detail::hash_digits(XXH3_64bits_digest(state.get()));
}

} // namespace d2c
