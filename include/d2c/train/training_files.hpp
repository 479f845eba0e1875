#pragma once
/// The files of a training run.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include <d2c/tensor/torch.hpp>
#include <d2c/train/checkpoint.hpp>
#include <d2c/train/checkpoint_folder.hpp>
#include <d2c/train/ema.hpp>
#include <d2c/train/held_out_loss.hpp>
#include <d2c/train/loss_log.hpp>
#include <d2c/train/post_hoc_average.hpp>
#include <d2c/train/step_log.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// What a training leaves in its folder: checkpoints, loss.csv, held_out.csv and pairs of averages;
/// nothing where there is no folder. After every update the functions are called in the order in
/// which they stand here, so that a checkpoint follows all that was written up to it, and what a
/// killed run goes on from is whole. Each keeps to the steps that [train] names. Throws Failure
/// where a file cannot be written.
class TrainingFiles {
public:
  /// `folder` exists or is empty: nothing is written then.
  TrainingFiles(std::filesystem::path folder, TrainConfig config)
      : path_{std::move(folder)}, folder_{path_}, config_{std::move(config)} {}

  [[nodiscard]] bool writes() const { return !path_.empty(); }

  /// Takes `state`, whose recipe must be there, from the finished run or the newest checkpoint of
  /// the folder, if it has one, and begins or goes on with loss.csv. Throws InputError for the
  /// checkpoint of another training.
  void resume(TrainingState& state) {
    if (!writes()) {
      return;
    }
    folder_.remove_leftovers();
    const std::vector<std::int64_t> done = folder_.steps();
    if (std::filesystem::exists(folder_.final())) {
      state.step = restore_checkpoint(folder_.final(), state, false);
    } else if (!done.empty()) {
      state.step = restore_checkpoint(folder_.step(done.back()), state);
    }
    if (state.step < config_.steps) {
      losses_.emplace(path_ / "loss.csv", state.step);
    }
  }

  /// Begins or goes on with held_out.csv after `done` updates.
  void open_held_out(std::int64_t done) {
    if (writes()) {
      held_out_.emplace(path_ / "held_out.csv", "step,loss,standard_error\n", done);
    }
  }

  void row(const LossRow& row) {
    if (losses_ && is_due(row.step, config_.log_every)) {
      losses_->append(row);
    }
  }

  /// A measurement, which its caller takes when one is due.
  void held_out(std::int64_t step, const HeldOutResult& measured) {
    if (held_out_) {
      held_out_->append(step, {measured.loss, measured.standard_error});
    }
  }

  /// Both averages of ema_profile "power".
  void averages(const TrainingState& state, const Tensor& second_average) {
    if (!losses_ || !is_due(state.step, config_.ema_snapshot_every)) {
      return;
    }
    write_average_pair(folder_.average(state.step), state.parameters,
                       {.step = state.step,
                        .gammas = {ema_schedule(config_).gamma, ema_schedule(config_, true).gamma},
                        .averages = {state.average, second_average},
                        .network = state.network});
  }

  /// A step checkpoint, unless the run is at its end, and as many of the older ones as stay.
  void checkpoint(const TrainingState& state) {
    if (!losses_ || state.step == config_.steps || state.step % config_.checkpoint_every != 0) {
      return;
    }
    sync();
    write_checkpoint(folder_.step(state.step), state, false);
    folder_.keep_newest(config_.keep_checkpoints, config_.keep_every);
  }

  /// The last checkpoint; nothing for a run that was finished before.
  void finish(const TrainingState& state) {
    if (losses_) {
      sync();
      write_checkpoint(folder_.final(), state, true);
    }
  }

private:
  [[nodiscard]] bool is_due(std::int64_t step, std::int64_t every) const {
    return step % every == 0 || step == config_.steps;
  }

  /// Makes the rows durable that a checkpoint follows.
  void sync() {
    losses_->sync();
    if (held_out_) {
      held_out_->sync();
    }
  }

  std::filesystem::path path_;
  CheckpointFolder folder_;
  TrainConfig config_;
  std::optional<LossLog> losses_; ///< while something is written
  std::optional<StepLog> held_out_;
};

} // namespace d2c
