#pragma once
/// A disk that fails: the program that this is linked into writes through it.

#include <filesystem>

namespace d2c_test {

/// What goes wrong below a folder. Defaults: nothing.
struct DiskFaults {
  long long room = -1; ///< bytes until the disk is full (the last write is cut short); -1: no end
  long long piece = 0; ///< most bytes that one write takes, and every third is interrupted; 0: all
  int failing_flush = 0; ///< the how-manieth fsync fails, counted from 1; 0: none
};

/// Lets the calls write, fsync and mkdir of this process fail below `folder` for as long as the
/// object lives. One at a time. The same faults come from the environment if failing_disk.cpp is
/// preloaded into a program: D2C_FAILING_DISK="room piece failing_flush folder".
class FailingDisk {
public:
  FailingDisk(const std::filesystem::path& folder, DiskFaults faults);
  FailingDisk(const FailingDisk&) = delete;
  FailingDisk& operator=(const FailingDisk&) = delete;
  ~FailingDisk();

  /// Bytes written and flushes asked for so far.
  [[nodiscard]] static long long written();
  [[nodiscard]] static int flushes();
};

} // namespace d2c_test
