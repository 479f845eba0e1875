#pragma once
/// Bytes to a file descriptor, all of them.

#include <cerrno>
#include <cstddef>

#include <unistd.h>

namespace d2c {

/// Writes all `bytes` bytes, going on after short writes and interrupts. False if the system
/// refuses (disk full, quota, limit, device error): errno says why, and some of the bytes may be
/// there.
[[nodiscard]] inline bool write_fully(int descriptor, const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ::ssize_t written = ::write(descriptor, at, bytes);
    if (written < 0) {
      if (errno != EINTR) {
        return false;
      }
      continue;
    }
    if (written == 0) {
      errno = ENOSPC; // nothing taken and nothing said: going on would never end
      return false;
    }
    at += written;
    bytes -= static_cast<std::size_t>(written);
  }
  return true;
}

} // namespace d2c
