#pragma once
/// Temporary files of processes that were killed.

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <sys/types.h>

namespace d2c {

/// Removes from `folder`, not from folders below it, what is named NAME.tmp-PROCESS... (AtomicFile,
/// links, copied folders) by a process that no longer runs on this machine. What cannot be removed
/// stays: it costs space and nothing else.
inline void remove_leftovers(const std::filesystem::path& folder) {
  std::error_code ignored;
  std::vector<std::filesystem::path> leftovers;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    const auto mark = name.rfind(".tmp-");
    if (mark == std::string::npos) {
      continue;
    }
    const long process = std::strtol(name.c_str() + mark + 5, nullptr, 10);
    if (process > 0 && ::kill(static_cast<::pid_t>(process), 0) != 0 && errno == ESRCH) {
      leftovers.push_back(entry.path());
    }
  }
  for (const auto& leftover : leftovers) {
    std::filesystem::remove_all(leftover, ignored);
  }
}

} // namespace d2c
