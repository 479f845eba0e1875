#pragma once
/// The table loss.csv of a training run. Torch-free.

#include <cstdint>
#include <filesystem>
#include <utility>

#include <d2c/train/step_log.hpp>

namespace d2c {

/// One row: the numbers of one update (not averages). `step` counts finished updates.
struct LossRow {
  std::int64_t step = 0;
  double loss = 0;
  double denoise = 0;
  double align = 0; ///< NaN once the alignment has stopped
  double learning_rate = 0;
  double gradient_norm = 0; ///< before clipping
};

/// loss.csv, which goes on where a killed run left it (StepLog).
class LossLog {
public:
  static constexpr const char* header = "step,loss,denoise,align,learning_rate,grad_norm\n";

  LossLog(std::filesystem::path path, std::int64_t done) : log_{std::move(path), header, done} {}

  void append(const LossRow& row) {
    log_.append(row.step, {row.loss, row.denoise, row.align, row.learning_rate, row.gradient_norm});
  }

  /// Makes the rows durable: called before the checkpoint that they lead up to.
  void sync() { log_.sync(); }

private:
  StepLog log_;
};

} // namespace d2c
