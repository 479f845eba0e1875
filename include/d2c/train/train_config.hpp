#pragma once
/// The configuration section [train]. Defaults are the paper's training (arXiv 2507.05914, appendix
/// B.2), and SiT's and REPA's where the paper is silent.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// How a denoiser is trained. Ranges are checked by check_train_config
/// (train/check_train_config.hpp).
struct TrainConfig {
  static constexpr std::string_view section = "train";
  static constexpr std::array<std::string_view, 4> no_effect = {
      "checkpoint_every", "keep_checkpoints", "keep_every", "log_every"};

  std::string initial_weights;             ///< trained weights to begin with; empty: none
  std::string initial_part = "ema";        ///< "ema" or "model" of a file that holds both
  std::string initial_layout = "auto";     ///< "dit", "sit" or "repa": see PublishedLayout
  std::int64_t steps = 400000;             ///< updates
  std::int64_t batch = 256;                ///< images per update
  std::int64_t accumulate = 1;             ///< pieces that an update's gradient is computed in
  double learning_rate = 1e-4;             ///< of AdamW
  double muon_learning_rate = 0.03;        ///< of the block matrices, if the optimizer is Muon
  double beta1 = 0.9;                      ///< AdamW, first moment
  double beta2 = 0.999;                    ///< AdamW, second moment
  double weight_decay = 0.0;               ///< decoupled, per unit of learning rate
  std::int64_t warmup = 0;                 ///< updates of linear warm-up
  std::string schedule = "constant";       ///< after the warm-up (train/learning_rate.hpp)
  double final_factor = 0.02;              ///< cosine, linear: last rate / base rate
  std::int64_t decay_every = 100000;       ///< step, exponential: updates per decay
  double decay_factor = 0.1;               ///< step, exponential: factor of one decay
  double clip = 1.0;                       ///< largest global gradient norm; 0: no clipping
  double ema = 0.9999;                     ///< decay of the weight average
  std::string ema_profile = "warmup";      ///< "constant", "warmup" or "power" (train/ema.hpp)
  double ema_sigma = 0.05;                 ///< power: width of the average, share of the training
  double ema_sigma_second = 0.1;           ///< power: width of the second stored average
  std::int64_t ema_snapshot_every = 20000; ///< power: updates per stored pair of averages
  double flip = 0.0;              ///< share of images that are seen mirrored, tokens included
  double class_dropout = 0.1;     ///< share of images whose class is the null one
  double text_dropout = -1;       ///< the same of the text; -1: that of class_dropout
  bool text_dropout_joint = true; ///< one draw for class and text, or two independent ones
  double align_weight = 0.5;      ///< of the alignment loss or the dispersive one
  std::string align_schedule = "constant"; ///< of that weight (train/align_schedule.hpp)
  std::int64_t align_stop = 0;             ///< update from which that weight is 0; 0: never
  double class_token_weight = 0.03;  ///< of the loss of the class token, if the aligner is REGAlign
  std::int64_t align_depth = 0;      ///< blocks before the projector; 0: by the network's depth
  std::int64_t align_hidden = 0;     ///< width of the projector's layers; 0: by the network's width
  double disperse_temperature = 1.0; ///< of DispersiveLoss
  std::int64_t evaluate_every = 0;   ///< updates per row of held_out.csv; 0: none
  std::int64_t evaluate_images = 256; ///< held-out images from outside the subset
  double evaluate_share = 0;          ///< share of the subset held out instead of them
  std::int64_t checkpoint_every = 50000;
  std::int64_t keep_checkpoints = 2; ///< how many step checkpoints stay; 0: all
  std::int64_t keep_every = 0;       ///< those after a multiple of it stay for good; 0: none
  std::int64_t log_every = 10;       ///< updates per row of loss.csv
};

} // namespace d2c

D2C_CONFIG(d2c::TrainConfig, initial_weights, initial_part, initial_layout, steps, batch,
           accumulate, learning_rate, muon_learning_rate, beta1, beta2, weight_decay, warmup,
           schedule, final_factor, decay_every, decay_factor, clip, ema, ema_profile, ema_sigma,
           ema_sigma_second, ema_snapshot_every, flip, class_dropout, text_dropout,
           text_dropout_joint, align_weight, align_schedule, align_stop, class_token_weight,
           align_depth, align_hidden, disperse_temperature, evaluate_every, evaluate_images,
           evaluate_share, checkpoint_every, keep_checkpoints, keep_every, log_every)
