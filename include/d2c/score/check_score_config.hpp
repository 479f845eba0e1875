#pragma once
/// Range checks of the section [score]: every problem at once. Torch-free.

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>

#include <d2c/core/problem.hpp>
#include <d2c/score/score_config.hpp>

namespace d2c {

/// The file that [score] checkpoint means: itself, or final.safetensors in it if it is a folder.
[[nodiscard]] inline std::filesystem::path scorer_checkpoint(const ScoreConfig& config) {
  const std::filesystem::path path = config.checkpoint;
  return std::filesystem::is_directory(path) ? path / "final.safetensors" : path;
}

/// Adds one problem per value of `config` that cannot be scored with; the place is the key's name.
/// What the estimator asks of `columns` it checks itself.
inline void check_score_config(const ScoreConfig& config, Problems& problems) {
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
  for (const double time : config.timesteps) {
    expect(time > 0 && time < 1, "timesteps", "times between 0 (data) and 1 (noise)", time);
  }
  if (!config.checkpoint.empty()) {
    const std::filesystem::path file = scorer_checkpoint(config);
    if (!std::filesystem::is_regular_file(file)) {
      problems.add("score.checkpoint",
                   "expected a file of weights or a folder with final.safetensors, found nothing "
                   "at " +
                       file.string());
    }
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

} // namespace d2c
