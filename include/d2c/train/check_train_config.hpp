#pragma once
/// Range checks of the section [train]: every problem at once. Torch-free.

#include <cmath>
#include <string>

#include <d2c/core/problem.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// Adds one problem per value of `config` that cannot be trained with; the place is the key's name.
inline void check_train_config(const TrainConfig& config, Problems& problems) {
  const auto expect = [&](bool good, const char* key, const char* expected, const auto& found) {
    if (!good) {
      std::string text;
      if constexpr (requires { std::to_string(found); }) {
        text = std::to_string(found);
      } else {
        text = "\"" + found + "\"";
      }
      problems.add(std::string("train.") + key,
                   std::string("expected ") + expected + ", found " + text);
    }
  };
  const auto rate = [](double value) { return std::isfinite(value) && value > 0; };
  const auto decay = [](double value) { return value >= 0 && value < 1; };
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  expect(config.steps > 0, "steps", "a positive number", config.steps);
  expect(config.batch > 0, "batch", "a positive number", config.batch);
  expect(rate(config.learning_rate), "learning_rate", "a positive number", config.learning_rate);
  expect(rate(config.muon_learning_rate), "muon_learning_rate", "a positive number",
         config.muon_learning_rate);
  expect(decay(config.beta1), "beta1", "a number in [0, 1)", config.beta1);
  expect(decay(config.beta2), "beta2", "a number in [0, 1)", config.beta2);
  expect(std::isfinite(config.weight_decay) && config.weight_decay >= 0, "weight_decay",
         "zero or a positive number", config.weight_decay);
  expect(config.warmup >= 0, "warmup", "zero or a positive number", config.warmup);
  expect(config.schedule == "constant" || config.schedule == "cosine", "schedule",
         "\"constant\" or \"cosine\"", config.schedule);
  expect(share(config.final_factor), "final_factor", "a number in [0, 1]", config.final_factor);
  expect(std::isfinite(config.clip) && config.clip >= 0, "clip", "zero or a positive number",
         config.clip);
  expect(decay(config.ema), "ema", "a number in [0, 1)", config.ema);
  expect(share(config.flip), "flip", "a number in [0, 1]", config.flip);
  expect(share(config.class_dropout), "class_dropout", "a number in [0, 1]", config.class_dropout);
  expect(std::isfinite(config.align_weight) && config.align_weight >= 0, "align_weight",
         "zero or a positive number", config.align_weight);
  expect(std::isfinite(config.class_token_weight) && config.class_token_weight >= 0,
         "class_token_weight", "zero or a positive number", config.class_token_weight);
  expect(config.align_depth >= 0, "align_depth", "zero or a positive number", config.align_depth);
  expect(config.align_hidden >= 0, "align_hidden", "zero or a positive number",
         config.align_hidden);
  expect(config.checkpoint_every > 0, "checkpoint_every", "a positive number",
         config.checkpoint_every);
  expect(config.keep_checkpoints >= 0, "keep_checkpoints", "zero or a positive number",
         config.keep_checkpoints);
  expect(config.log_every > 0, "log_every", "a positive number", config.log_every);
}

} // namespace d2c
