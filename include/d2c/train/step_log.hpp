#pragma once
/// A csv table that grows with the updates of a training run. Torch-free.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/write_fully.hpp>

namespace d2c {

/// Appends rows that begin with a step, and survives kills: opened for a run that has `done`
/// updates behind it, it keeps the rows up to `done` and drops later ones, which the resumed run
/// writes anew, and any torn last line. `header` is the first line. Throws Failure where the file
/// cannot be written.
class StepLog {
public:
  StepLog(std::filesystem::path path, const std::string& header, std::int64_t done)
      : path_{std::move(path)} {
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

  StepLog(const StepLog&) = delete;
  StepLog& operator=(const StepLog&) = delete;

  ~StepLog() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }

  /// One line: the step and the values in nine digits.
  void append(std::int64_t step, std::initializer_list<double> values) {
    char text[32];
    line_ = std::to_string(step);
    for (const double value : values) {
      std::snprintf(text, sizeof text, ",%.9g", value);
      line_ += text;
    }
    line_ += '\n';
    if (!write_fully(descriptor_, line_.data(), line_.size())) {
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
  std::string line_;
  int descriptor_ = -1;
};

} // namespace d2c
