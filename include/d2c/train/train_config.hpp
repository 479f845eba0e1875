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
  static constexpr std::array<std::string_view, 3> no_effect = {"checkpoint_every",
                                                                "keep_checkpoints", "log_every"};

  std::int64_t steps = 400000;       ///< updates
  std::int64_t batch = 256;          ///< images per update
  double learning_rate = 1e-4;       ///< of AdamW
  double muon_learning_rate = 0.03;  ///< of the block matrices, if the optimizer is Muon
  double beta1 = 0.9;                ///< AdamW, first moment
  double beta2 = 0.999;              ///< AdamW, second moment
  double weight_decay = 0.0;         ///< decoupled, per unit of learning rate
  std::int64_t warmup = 0;           ///< updates of linear warm-up
  std::string schedule = "constant"; ///< after the warm-up: "constant" or "cosine"
  double final_factor = 0.02;        ///< cosine: last rate / base rate
  double clip = 1.0;                 ///< largest global gradient norm; 0: no clipping
  double ema = 0.9999;               ///< decay of the weight average
  bool ema_warmup = true;            ///< decay min(ema, (1 + i) / (10 + i)) at update i
  double flip = 0.0;                 ///< share of images that are seen mirrored, tokens included
  double class_dropout = 0.1;        ///< share of images whose condition is the null one
  bool text_dropout_joint = true;    ///< one draw for class and text, or two independent ones
  double align_weight = 0.5;         ///< of the alignment loss
  double class_token_weight = 0.03;  ///< of the loss of the class token, if the aligner is REGAlign
  std::int64_t align_depth = 0;      ///< blocks before the projector; 0: by the network's depth
  std::int64_t align_hidden = 0;     ///< width of the projector's layers; 0: by the network's width
  std::int64_t checkpoint_every = 50000;
  std::int64_t keep_checkpoints = 2; ///< how many step checkpoints stay; 0: all
  std::int64_t log_every = 10;       ///< updates per row of loss.csv
};

} // namespace d2c

D2C_CONFIG(d2c::TrainConfig, steps, batch, learning_rate, muon_learning_rate, beta1, beta2,
           weight_decay, warmup, schedule, final_factor, clip, ema, ema_warmup, flip, class_dropout,
           text_dropout_joint, align_weight, class_token_weight, align_depth, align_hidden,
           checkpoint_every, keep_checkpoints, log_every)
