#pragma once
/// The table loss.csv of a training run. Torch-free.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/write_fully.hpp>

namespace d2c {

/// One row: the numbers of one update (not averages). `step` counts finished updates.
struct LossRow {
  std::int64_t step = 0;
  double loss = 0;
  double denoise = 0;
  double align = 0;
  double learning_rate = 0;
  double gradient_norm = 0; ///< before clipping
};

/// Appends rows to a csv file that survives kills: opened for a run that has `done` updates behind
/// it, it keeps the rows up to `done` and drops later ones, which the resumed run writes anew, and
/// any torn last line. Throws Failure where the file cannot be written.
class LossLog {
public:
  static constexpr const char* header = "step,loss,denoise,align,learning_rate,grad_norm\n";

  LossLog(std::filesystem::path path, std::int64_t done) : path_{std::move(path)} {
    std::string kept = header;
    if (done > 0) {
      std::ifstream file(path_);
      std::string line;
      std::getline(file, line); // the header
      while (std::getline(file, line) && !file.eof() &&
             std::strtoll(line.c_str(), nullptr, 10) <= done) {
        kept += line + "\n";
      }
    }
    write_file_atomically(path_, kept);
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (descriptor_ < 0) {
      fail();
    }
  }

  LossLog(const LossLog&) = delete;
  LossLog& operator=(const LossLog&) = delete;

  ~LossLog() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }

  void append(const LossRow& row) {
    char line[192];
    const int size = std::snprintf(line, sizeof line, "%lld,%.9g,%.9g,%.9g,%.9g,%.9g\n",
                                   static_cast<long long>(row.step), row.loss, row.denoise,
                                   row.align, row.learning_rate, row.gradient_norm);
    if (!write_fully(descriptor_, line, static_cast<std::size_t>(size))) {
      fail();
    }
  }

  /// Makes the rows durable: called before the checkpoint that they lead up to.
  void sync() {
    if (::fsync(descriptor_) != 0) {
      fail();
    }
  }

private:
  [[noreturn]] void fail() const {
    throw Failure("cannot write " + path_.string() + ": " + std::strerror(errno));
  }

  std::filesystem::path path_;
  int descriptor_ = -1;
};

} // namespace d2c
