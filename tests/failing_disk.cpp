// Stands before the C library's calls: linked into a test program, or preloaded into any other.

#include "failing_disk.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <mutex>
#include <sstream>
#include <string>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

struct Disk {
  std::mutex mutex;
  std::string folder;
  d2c_test::DiskFaults faults;
  long long written = 0;
  long long writes = 0;
  int flushes = 0;
};

std::atomic<bool> armed{false};

Disk& disk() {
  static Disk& disk = *new Disk; // outlives everything that writes
  return disk;
}

void arm(const std::string& folder, d2c_test::DiskFaults faults) {
  Disk& state = disk();
  const std::lock_guard guard(state.mutex);
  state.folder = std::filesystem::weakly_canonical(folder).string() + "/";
  state.faults = faults;
  state.written = state.writes = 0;
  state.flushes = 0;
  armed = true;
}

bool is_below(const Disk& state, std::string path) {
  return (path + "/").compare(0, state.folder.size(), state.folder) == 0;
}

bool is_below(const Disk& state, int descriptor) {
  char path[PATH_MAX];
  const auto link = "/proc/self/fd/" + std::to_string(descriptor);
  const auto size = ::readlink(link.c_str(), path, sizeof path);
  return size > 0 && is_below(state, std::string(path, static_cast<std::size_t>(size)));
}

[[gnu::constructor]] void arm_from_environment() {
  if (const char* text = std::getenv("D2C_FAILING_DISK")) {
    std::istringstream words(text);
    d2c_test::DiskFaults faults;
    std::string folder;
    words >> faults.room >> faults.piece >> faults.failing_flush >> std::ws;
    if (std::getline(words, folder)) {
      arm(folder, faults);
    }
  }
}

} // namespace

namespace d2c_test {

FailingDisk::FailingDisk(const std::filesystem::path& folder, DiskFaults faults) {
  arm(folder.string(), faults);
}

FailingDisk::~FailingDisk() {
  armed = false;
}

long long FailingDisk::written() {
  const std::lock_guard guard(disk().mutex);
  return disk().written;
}

int FailingDisk::flushes() {
  const std::lock_guard guard(disk().mutex);
  return disk().flushes;
}

} // namespace d2c_test

extern "C" ssize_t write(int descriptor, const void* data, std::size_t bytes) {
  if (armed) {
    Disk& state = disk();
    const std::lock_guard guard(state.mutex);
    if (is_below(state, descriptor)) {
      ++state.writes;
      if (state.faults.piece > 0) {
        if (state.writes % 3 == 0) {
          errno = EINTR;
          return -1;
        }
        bytes = std::min(bytes, static_cast<std::size_t>(state.faults.piece));
      }
      if (state.faults.room >= 0) {
        const auto left = std::max(0LL, state.faults.room - state.written);
        if (left == 0 && bytes > 0) {
          errno = ENOSPC;
          return -1;
        }
        bytes = std::min(bytes, static_cast<std::size_t>(left));
      }
      state.written += static_cast<long long>(bytes);
    }
  }
  return ::syscall(SYS_write, descriptor, data, bytes);
}

extern "C" int fsync(int descriptor) {
  if (armed) {
    Disk& state = disk();
    const std::lock_guard guard(state.mutex);
    if (is_below(state, descriptor) && ++state.flushes == state.faults.failing_flush) {
      errno = EIO;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

extern "C" int mkdir(const char* path, mode_t mode) noexcept {
  if (armed) {
    Disk& state = disk();
    const std::lock_guard guard(state.mutex);
    if (state.faults.room >= 0 && state.written >= state.faults.room &&
        is_below(state, std::filesystem::absolute(path).lexically_normal().string())) {
      errno = ENOSPC;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
