#pragma once
/// Names that go into tables and JSON files must be UTF-8; files on a disk may be named otherwise.

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include <utf8proc.h>

#include <d2c/core/error.hpp>

namespace d2c {

/// InputError, naming `where` and the first wrong byte, unless `name` is UTF-8.
inline void require_utf8(const std::string& where, std::string_view name) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(name.data());
  for (std::size_t at = 0; at < name.size();) {
    utf8proc_int32_t point = 0;
    const utf8proc_ssize_t used =
        utf8proc_iterate(bytes + at, static_cast<utf8proc_ssize_t>(name.size() - at), &point);
    if (used <= 0) {
      char hex[8];
      std::snprintf(hex, sizeof hex, "0x%02x", static_cast<unsigned>(bytes[at]));
      throw InputError(where + ": expected names in UTF-8, found the byte " + hex + " behind \"" +
                       std::string(name.substr(0, at)) + "\"");
    }
    at += static_cast<std::size_t>(used);
  }
}

} // namespace d2c
