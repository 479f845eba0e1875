#pragma once
/// The configuration section [score]. Defaults are those of the quick start's scorer, which is
/// trained from scratch in about a minute; a published scorer is named by `checkpoint`.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// Where the scoring network comes from and how many network evaluations an image gets.
struct ScoreConfig {
  static constexpr std::string_view section = "score";

  /// Folder or file of a trained denoiser, or "scratch": train one first. Empty: "scratch", unless
  /// the network has published weights; then they are asked for.
  std::string checkpoint;
  std::string checkpoint_part = "ema";    ///< "ema" or "model" of a file that holds both
  std::string checkpoint_layout = "auto"; ///< "dit", "sit" or "repa": see PublishedLayout
  std::int64_t steps = 700;               ///< updates of the training from scratch
  std::int64_t batch = 64;                ///< images per update
  double learning_rate = 3e-3;            ///< of AdamW
  double muon_learning_rate = 0.03;       ///< of the block matrices, if the optimizer is "muon"
  std::int64_t warmup = 50;               ///< updates of linear warm-up; then cosine to 2 %
  double ema = 0.995;                     ///< decay of the weight average that scores
  std::string optimizer = "muon";         ///< "muon" or "adamw"
  std::int64_t columns = 8;               ///< network evaluations per image
  std::int64_t batch_images = 512;        ///< images per step of the scoring pass
  std::vector<double> timesteps;          ///< times in (0, 1); empty: the estimator's own
};

} // namespace d2c

D2C_CONFIG(d2c::ScoreConfig, checkpoint, checkpoint_part, checkpoint_layout, steps, batch,
           learning_rate, muon_learning_rate, warmup, ema, optimizer, columns, batch_images,
           timesteps)
