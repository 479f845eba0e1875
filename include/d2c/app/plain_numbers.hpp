#pragma once
/// Sizes and times as people read them.

#include <cstdio>
#include <string>

namespace d2c {

/// "4.9 GB", in powers of ten.
inline std::string size_text(double bytes) {
  char text[32];
  if (bytes < 999.5e6) {
    std::snprintf(text, sizeof text, "%.0f MB", bytes / 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.1f GB", bytes / 1e9);
  }
  return text;
}

/// "12 s", "3.4 min", "5.6 h" or "7.8 days".
inline std::string duration_text(double seconds) {
  char text[32];
  if (seconds < 100) {
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  } else if (seconds < 100 * 60) {
    std::snprintf(text, sizeof text, "%.1f min", seconds / 60);
  } else if (seconds < 72 * 3600) {
    std::snprintf(text, sizeof text, "%.1f h", seconds / 3600);
  } else {
    std::snprintf(text, sizeof text, "%.1f days", seconds / 86400);
  }
  return text;
}

} // namespace d2c
