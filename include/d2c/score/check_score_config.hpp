#pragma once
/// Range checks of the section [score]: every problem at once. Torch-free.

#include <cmath>
#include <cstdio>
#include <string>
#include <string_view>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/score/score_config.hpp>
#include <d2c/train/denoiser_file.hpp>
#include <d2c/train/published_layout.hpp>

namespace d2c {

/// Whether [score] asks for a training of the scorer before it scores.
[[nodiscard]] inline bool trains_scorer(const ScoreConfig& config) {
  return config.checkpoint.empty() || config.checkpoint == "scratch";
}

/// Adds one problem per value of `config` that cannot be scored with; the place is the key's name.
/// What the estimator asks of `columns` it checks itself. `published` is the file of the network's
/// published weights, or empty: a network that has some is trained from scratch only where
/// `checkpoint` says so.
template <class = Once>
void check_score_config(const ScoreConfig& config, Problems& problems,
                        std::string_view published = {}) {
  const auto expect = [&](bool good, const char* key, const char* expected, double found) {
    if (!good) {
      char number[32];
      std::snprintf(number, sizeof number, "%g", found);
      problems.add(std::string("score.") + key,
                   std::string("expected ") + expected + ", found " + number);
    }
  };
  const auto positive = [&](const char* key, double value) {
    expect(std::isfinite(value) && value > 0, key, "a positive number", value);
  };
  positive("batch_images", static_cast<double>(config.batch_images));
  check_published_choice({config.checkpoint_part, config.checkpoint_layout}, "score.checkpoint",
                         problems);
  for (const double time : config.timesteps) {
    expect(time > 0 && time < 1, "timesteps", "times between 0 (data) and 1 (noise)", time);
  }
  if (config.checkpoint.empty() && !published.empty()) {
    problems.add("score.checkpoint", "expected the published weights " + std::string(published) +
                                         ", or \"scratch\" to train the scorer first, found an "
                                         "empty string");
    return;
  }
  if (!trains_scorer(config)) {
    check_denoiser_file("score.checkpoint", config.checkpoint, problems);
    return;
  }
  positive("steps", static_cast<double>(config.steps));
  positive("batch", static_cast<double>(config.batch));
  positive("learning_rate", config.learning_rate);
  positive("muon_learning_rate", config.muon_learning_rate);
  expect(config.warmup >= 0, "warmup", "zero or a positive number",
         static_cast<double>(config.warmup));
  expect(config.ema >= 0 && config.ema < 1, "ema", "a number in [0, 1)", config.ema);
  if (config.optimizer != "muon" && config.optimizer != "adamw") {
    problems.add("score.optimizer",
                 "expected \"muon\" or \"adamw\", found \"" + config.optimizer + "\"");
  }
}
D2C_COMPILED_ONCE(void check_score_config<>(const ScoreConfig&, Problems&, std::string_view))

} // namespace d2c
