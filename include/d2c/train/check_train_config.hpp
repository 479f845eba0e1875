#pragma once
/// Range checks of the section [train]: every problem at once. Torch-free.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/train/align_schedule.hpp>
#include <d2c/train/denoiser_file.hpp>
#include <d2c/train/ema.hpp>
#include <d2c/train/learning_rate.hpp>
#include <d2c/train/published_layout.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// Adds one problem per value of `config` that cannot be trained with; the place is the key's name.
template <class = Once>
void check_train_config(const TrainConfig& config, Problems& problems) {
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
  const auto known = [](auto&& parse, const std::string& word) {
    try {
      parse(word);
      return true;
    } catch (const InputError&) {
      return false;
    }
  };
  check_published_choice({config.initial_part, config.initial_layout}, "train.initial", problems);
  if (!config.initial_weights.empty()) {
    check_denoiser_file("train.initial_weights", config.initial_weights, problems);
  }
  expect(config.steps > 0, "steps", "a positive number", config.steps);
  expect(config.batch > 0, "batch", "a positive number", config.batch);
  expect(config.accumulate > 0 && config.batch % std::max<std::int64_t>(1, config.accumulate) == 0,
         "accumulate", "a positive number that divides train.batch", config.accumulate);
  expect(rate(config.learning_rate), "learning_rate", "a positive number", config.learning_rate);
  expect(rate(config.muon_learning_rate), "muon_learning_rate", "a positive number",
         config.muon_learning_rate);
  expect(decay(config.beta1), "beta1", "a number in [0, 1)", config.beta1);
  expect(decay(config.beta2), "beta2", "a number in [0, 1)", config.beta2);
  expect(std::isfinite(config.weight_decay) && config.weight_decay >= 0, "weight_decay",
         "zero or a positive number", config.weight_decay);
  expect(config.warmup >= 0, "warmup", "zero or a positive number", config.warmup);
  expect(known(parse_schedule, config.schedule), "schedule", schedule_words, config.schedule);
  expect(share(config.final_factor), "final_factor", "a number in [0, 1]", config.final_factor);
  expect(config.decay_every > 0, "decay_every", "a positive number", config.decay_every);
  expect(config.decay_factor > 0 && config.decay_factor <= 1, "decay_factor",
         "a number above 0 and at most 1", config.decay_factor);
  expect(std::isfinite(config.clip) && config.clip >= 0, "clip", "zero or a positive number",
         config.clip);
  expect(decay(config.ema), "ema", "a number in [0, 1)", config.ema);
  expect(share(config.flip), "flip", "a number in [0, 1]", config.flip);
  expect(known(parse_ema_profile, config.ema_profile), "ema_profile",
         "\"constant\", \"warmup\" or \"power\"", config.ema_profile);
  const auto width = [](double value) { return value > 0 && value <= 0.288; };
  constexpr const char* widths = "a number above 0 and at most 0.288";
  expect(width(config.ema_sigma), "ema_sigma", widths, config.ema_sigma);
  expect(width(config.ema_sigma_second) && config.ema_sigma_second != config.ema_sigma,
         "ema_sigma_second", "a number above 0 and at most 0.288 that is not train.ema_sigma",
         config.ema_sigma_second);
  expect(config.ema_snapshot_every > 0, "ema_snapshot_every", "a positive number",
         config.ema_snapshot_every);
  expect(config.text_dropout == -1 || share(config.text_dropout), "text_dropout",
         "a number in [0, 1], or -1 for that of train.class_dropout", config.text_dropout);
  expect(!config.text_dropout_joint || config.text_dropout == -1 ||
             config.text_dropout == config.class_dropout,
         "text_dropout", "the share of train.class_dropout while train.text_dropout_joint is true",
         config.text_dropout);
  expect(share(config.class_dropout), "class_dropout", "a number in [0, 1]", config.class_dropout);
  expect(std::isfinite(config.align_weight) && config.align_weight >= 0, "align_weight",
         "zero or a positive number", config.align_weight);
  expect(known(parse_align_decay, config.align_schedule), "align_schedule",
         "\"constant\", \"linear\" or \"cosine\"", config.align_schedule);
  expect(config.align_stop >= 0, "align_stop", "zero or a positive number", config.align_stop);
  expect(rate(config.disperse_temperature), "disperse_temperature", "a positive number",
         config.disperse_temperature);
  expect(config.evaluate_every >= 0, "evaluate_every", "zero or a positive number",
         config.evaluate_every);
  expect(config.evaluate_images > 0, "evaluate_images", "a positive number",
         config.evaluate_images);
  expect(config.evaluate_share >= 0 && config.evaluate_share < 1, "evaluate_share",
         "a number in [0, 1)", config.evaluate_share);
  expect(std::isfinite(config.class_token_weight) && config.class_token_weight >= 0,
         "class_token_weight", "zero or a positive number", config.class_token_weight);
  expect(config.align_depth >= 0, "align_depth", "zero or a positive number", config.align_depth);
  expect(config.align_hidden >= 0, "align_hidden", "zero or a positive number",
         config.align_hidden);
  expect(config.checkpoint_every > 0, "checkpoint_every", "a positive number",
         config.checkpoint_every);
  expect(config.keep_checkpoints >= 0, "keep_checkpoints", "zero or a positive number",
         config.keep_checkpoints);
  expect(config.keep_every >= 0, "keep_every", "zero or a positive number", config.keep_every);
  expect(config.log_every > 0, "log_every", "a positive number", config.log_every);
}
D2C_COMPILED_ONCE(void check_train_config<>(const TrainConfig&, Problems&))

} // namespace d2c
