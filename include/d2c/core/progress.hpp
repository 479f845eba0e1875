#pragma once
/// Progress of long work: a bar with rate and remaining time on a terminal, plain lines in a log.

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

#include <unistd.h>

namespace d2c {

/// Reports one task at a time to standard error. On a terminal the line is redrawn at most ten
/// times a second; otherwise one line at 0, 10, ..., 100 %.
class Progress {
public:
  explicit Progress(bool quiet = false, std::FILE* out = stderr)
      : out_{out}, quiet_{quiet}, terminal_{isatty(fileno(out)) != 0} {}

  /// Begins a task of `total` units ("images", "steps"); `done` units are finished already.
  void start(std::string task, std::int64_t total, std::string unit, std::int64_t done = 0) {
    task_ = std::move(task);
    unit_ = std::move(unit);
    total_ = total;
    done_ = first_ = done;
    began_ = drawn_ = Clock::now();
    last_tenth_ = -1;
    draw(true);
  }

  /// `note` is shown behind the numbers, for example "loss 0.213".
  void advance(std::int64_t units = 1, std::string note = {}) {
    done_ += units;
    note_ = std::move(note);
    draw(false);
  }

  void finish() {
    draw(true);
    if (terminal_ && !quiet_) {
      std::fputc('\n', out_);
    }
    note_.clear();
  }

  /// One line that stands for itself.
  void line(const std::string& text) {
    if (!quiet_) {
      std::fprintf(out_, terminal_ ? "\r\033[K%s\n" : "%s\n", text.c_str());
      std::fflush(out_);
    }
  }

private:
  using Clock = std::chrono::steady_clock;

  static std::string duration(double seconds) {
    char text[32];
    const auto s = std::lround(seconds);
    if (s >= 3600) {
      std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    } else {
      std::snprintf(text, sizeof text, "%ld:%02ld", s / 60, s % 60);
    }
    return text;
  }

  void draw(bool force) {
    if (quiet_) {
      return;
    }
    const auto now = Clock::now();
    const std::int64_t tenth = total_ > 0 ? 10 * done_ / total_ : 10;
    const bool due =
        terminal_ ? now - drawn_ > std::chrono::milliseconds(100) : tenth != last_tenth_;
    if (!due && !(force && terminal_)) {
      return;
    }
    drawn_ = now;
    last_tenth_ = tenth;
    const double elapsed = std::chrono::duration<double>(now - began_).count();
    const auto fresh = static_cast<double>(done_ - first_);
    const double rate = elapsed > 0 ? fresh / elapsed : 0;
    std::string text =
        task_ + " " + std::to_string(done_) + "/" + std::to_string(total_) + " " + unit_;
    if (fresh > 0) {
      char numbers[80];
      std::snprintf(numbers, sizeof numbers, "  %.1f/s  elapsed %s  left %s", rate,
                    duration(elapsed).c_str(),
                    duration(static_cast<double>(total_ - done_) / rate).c_str());
      text += numbers;
    }
    if (!note_.empty()) {
      text += "  " + note_;
    }
    if (terminal_) {
      constexpr int cells = 24;
      const auto full = static_cast<int>(total_ > 0 ? cells * done_ / total_ : cells);
      const std::string bar = std::string(static_cast<std::size_t>(full), '#') +
                              std::string(static_cast<std::size_t>(cells - full), '.');
      std::fprintf(out_, "\r\033[K[%s] %s", bar.c_str(), text.c_str());
    } else {
      std::fprintf(out_, "%s\n", text.c_str());
    }
    std::fflush(out_);
  }

  std::FILE* out_;
  bool quiet_;
  bool terminal_;
  std::string task_;
  std::string unit_;
  std::string note_;
  std::int64_t total_ = 0;
  std::int64_t done_ = 0;
  std::int64_t first_ = 0;
  std::int64_t last_tenth_ = -1;
  Clock::time_point began_;
  Clock::time_point drawn_;
};

} // namespace d2c
