#pragma once
/// The table loss.csv of a training run. Torch-free.

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include <unistd.h>

#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>

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
    file_.reset(std::fopen(path_.c_str(), "ab"));
    if (!file_) {
      fail();
    }
  }

  void append(const LossRow& row) {
    errno = 0;
    if (std::fprintf(file_.get(), "%lld,%.9g,%.9g,%.9g,%.9g,%.9g\n",
                     static_cast<long long>(row.step), row.loss, row.denoise, row.align,
                     row.learning_rate, row.gradient_norm) < 0 ||
        std::fflush(file_.get()) != 0) {
      fail();
    }
  }

  /// Makes the rows durable: called before the checkpoint that they lead up to.
  void sync() {
    if (::fsync(::fileno(file_.get())) != 0) {
      fail();
    }
  }

private:
  [[noreturn]] void fail() const {
    throw Failure("cannot write " + path_.string() + ": " + std::strerror(errno));
  }

  std::filesystem::path path_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file_{nullptr, &std::fclose};
};

} // namespace d2c
