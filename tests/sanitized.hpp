#pragma once

/// What tests that measure memory need to know.

namespace d2c_test {

/// Whether AddressSanitizer is built in, which keeps freed memory for a while (256 MB).
constexpr bool sanitized() {
#if defined(__SANITIZE_ADDRESS__)
  return true;
#else
  return false;
#endif
}

} // namespace d2c_test
