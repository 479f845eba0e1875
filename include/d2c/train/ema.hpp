#pragma once
/// The decay of the moving average of the weights. The averaging itself is part of the optimizers'
/// pass over the flat buffers. Torch-free.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/core/error.hpp>
#include <d2c/train/power_average.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// How far back the average reaches.
enum class EmaProfile { constant, warmup, power };

/// Reads the value of `train.ema_profile`. Throws InputError for any other word.
inline EmaProfile parse_ema_profile(std::string_view word) {
  if (word == "constant") {
    return EmaProfile::constant;
  }
  if (word == "warmup") {
    return EmaProfile::warmup;
  }
  if (word == "power") {
    return EmaProfile::power;
  }
  throw InputError("train.ema_profile: expected \"constant\", \"warmup\" or \"power\", found \"" +
                   std::string(word) + "\"");
}

/// A profile with its number: the decay, or the exponent of the power function.
struct EmaSchedule {
  EmaProfile profile = EmaProfile::constant;
  double decay = 0.9999; ///< constant, warmup
  double gamma = 0;      ///< power
};

/// The average that samples are drawn from, as [train] asks for it; and with profile "power" the
/// second one.
inline EmaSchedule ema_schedule(const TrainConfig& config, bool second = false) {
  EmaSchedule schedule{.profile = parse_ema_profile(config.ema_profile), .decay = config.ema};
  if (schedule.profile == EmaProfile::power) {
    schedule.gamma = gamma_of_sigma_rel(second ? config.ema_sigma_second : config.ema_sigma);
  }
  return schedule;
}

/// Decay of the average after update `step` = 0, 1, ...: the constant; with warm-up min(decay,
/// (1 + i) / (10 + i)), which forgets the random initialisation within a few updates; with the
/// power function (1 - 1 / n)^(gamma + 1) after update number n = i + 1, so that the weights of
/// update s count s^(gamma + 1) - (s - 1)^(gamma + 1) (Karras et al. 2024, Eq. 127). The average
/// starts as a copy of the weights. DiT, SiT and REPA publish the constant 0.9999.
inline double ema_decay(const EmaSchedule& schedule, std::int64_t step) {
  const auto i = static_cast<double>(step);
  switch (schedule.profile) {
  case EmaProfile::warmup:
    return std::min(schedule.decay, (1.0 + i) / (10.0 + i));
  case EmaProfile::power:
    return std::pow(i / (i + 1.0), schedule.gamma + 1.0);
  case EmaProfile::constant:
    break;
  }
  return schedule.decay;
}

} // namespace d2c
