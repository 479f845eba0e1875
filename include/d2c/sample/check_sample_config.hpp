#pragma once
/// Range checks of the section [sample] for one sampling method. Torch-free.

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/diffusion/method_accepts.hpp>
#include <d2c/diffusion/option_name.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/sample/sample_config.hpp>
#include <d2c/train/denoiser_file.hpp>

namespace d2c {

namespace detail {

/// The option that `word` names; InputError naming the key for another word.
template <class Option>
[[nodiscard]] Option named_option(const char* key, const std::string& word) {
  const auto option = option_from_name<Option>(word);
  if (!option) {
    throw InputError("sample." + std::string(key) + ": expected " + option_choices<Option>() +
                     ", found \"" + word + "\"");
  }
  return *option;
}

/// Keys of [sample] that not every method reads.
inline constexpr std::array<std::string_view, 9> keys_of_methods{
    "rtol",      "atol",           "step_control", "diffusion", "diffusion_norm",
    "last_step", "last_step_size", "eta",          "spacing"};

/// Whether a method says that it reads such a key.
template <class Method>
[[nodiscard]] bool reads_key(std::string_view key) {
  if constexpr (requires { Method::keys; }) {
    return std::find(Method::keys.begin(), Method::keys.end(), key) != Method::keys.end();
  } else {
    return false;
  }
}

/// Whether a method chooses the number of its steps.
template <class Method>
[[nodiscard]] constexpr bool is_adaptive() {
  if constexpr (requires { Method::adaptive; }) {
    return Method::adaptive;
  } else {
    return false;
  }
}

/// The values of the section as a message shows them.
[[nodiscard]] inline std::map<std::string_view, std::string>
sample_values(const SampleConfig& config) {
  std::map<std::string_view, std::string> values;
  for_each_field(config, [&]<class Field>(std::string_view key, const Field& field) {
    if constexpr (std::same_as<Field, std::string>) {
      values[key] = "\"" + field + "\"";
    } else {
      char text[32];
      std::snprintf(text, sizeof text, "%g", static_cast<double>(field));
      values[key] = text;
    }
  });
  return values;
}

} // namespace detail

/// What [sample] says to the solver. InputError for a word that is no option.
[[nodiscard]] inline SamplingOptions sampling_options(const SampleConfig& config) {
  return {.steps = static_cast<int>(config.steps),
          .time_shift = config.time_shift,
          .rtol = config.rtol,
          .atol = config.atol,
          .step_control = detail::named_option<StepControl>("step_control", config.step_control),
          .diffusion = detail::named_option<DiffusionForm>("diffusion", config.diffusion),
          .diffusion_norm = config.diffusion_norm,
          .last_step = detail::named_option<LastStep>("last_step", config.last_step),
          .last_step_size = config.last_step_size,
          .eta = config.eta,
          .spacing = detail::named_option<StepSpacing>("spacing", config.spacing)};
}

/// What [sample] says of guidance. InputError for a word that is no option.
[[nodiscard]] inline Guidance guidance_of(const SampleConfig& config) {
  return {.scale = config.guidance,
          .low = config.guidance_low,
          .high = config.guidance_high,
          .channels = static_cast<int>(config.guidance_channels),
          .null = detail::named_option<GuidanceNull>("guidance_null", config.guidance_null),
          .text_scale = config.guidance_text,
          .class_token_scale = config.guidance_class_token};
}

/// Empty if the method can honour the options for some denoiser, else what it says of the first one
/// it accepts. Before a run the denoiser is not known; run_stage asks again with the real one.
template <class Method>
[[nodiscard]] std::string method_refusal(const SamplingOptions& options) {
  std::string first;
  for (std::size_t path = 0; path < option_names<PathKind>.size(); ++path) {
    for (std::size_t target = 0; target < option_names<TargetKind>.size(); ++target) {
      const Parametrisation parametrisation{static_cast<PathKind>(path),
                                            static_cast<TargetKind>(target)};
      if (method_accepts<Method>(parametrisation)) {
        std::string refusal = Method::refusal(options, parametrisation);
        if (refusal.empty()) {
          return refusal;
        }
        first = first.empty() ? std::move(refusal) : first;
      }
    }
  }
  return first;
}

/// Adds one problem per key that is not at its default although the method does not read it: a
/// value without effect would be believed to have one. `Method::keys` lists what a method reads of
/// detail::keys_of_methods; without that list it is none.
template <class Method>
void check_unread_keys(const SampleConfig& config, Problems& problems) {
  const auto values = detail::sample_values(config);
  const auto defaults = detail::sample_values(SampleConfig{});
  const auto refuse = [&](std::string_view key) {
    if (values.at(key) != defaults.at(key)) {
      problems.add("sample." + std::string(key), std::string(Method::name) +
                                                     " does not read this key: expected its "
                                                     "default " +
                                                     defaults.at(key) + ", found " +
                                                     values.at(key));
    }
  };
  for (const std::string_view key : detail::keys_of_methods) {
    if (!detail::reads_key<Method>(key)) {
      refuse(key);
    }
  }
  if (detail::is_adaptive<Method>()) {
    refuse("steps");
  }
}

/// Adds one problem per value of `config` that cannot be sampled with; the place is the key or
/// section.
template <class Method>
void check_sample_config(const SampleConfig& config, Problems& problems) {
  const auto positive = [&](const char* key, std::int64_t value) {
    if (value < 1 || value > std::numeric_limits<std::int32_t>::max()) {
      problems.add(std::string("sample.") + key,
                   "expected a positive number below 2^31, found " + std::to_string(value));
      return false;
    }
    return true;
  };
  positive("images_per_class", config.images_per_class);
  positive("batch", config.batch);
  positive("grid_per_class", config.grid_per_class);
  check_unread_keys<Method>(config, problems);
  const bool steps = positive("steps", config.steps);
  try {
    if (const std::string refusal = method_refusal<Method>(sampling_options(config));
        steps && !refusal.empty()) {
      problems.add("sample", refusal);
    }
  } catch (const InputError& error) {
    problems.add("", error.what());
  }
  try {
    const Guidance guidance = guidance_of(config);
    if (const std::string refusal = guidance.refusal(); !refusal.empty()) {
      problems.add("sample", refusal);
    }
    if (config.guidance_channels > std::numeric_limits<std::int32_t>::max()) {
      problems.add("sample.guidance_channels", "expected a number of channels, found " +
                                                   std::to_string(config.guidance_channels));
    }
    const bool acts = guidance.scale != 1 || guidance.text_scale != 1;
    if (!acts && (guidance.channels != 0 || guidance.null != GuidanceNull::joint ||
                  guidance.class_token_scale != 0)) {
      problems.add("sample.guidance",
                   "expected a scale other than 1 with guidance_channels, guidance_null or "
                   "guidance_class_token, found 1");
    }
    if (!config.guide_checkpoint.empty()) {
      if (guidance.scale == 1 || guidance.null != GuidanceNull::joint) {
        problems.add("sample.guide_checkpoint",
                     "expected guidance other than 1 and guidance_null \"joint\" with a guiding "
                     "denoiser, found " +
                         detail::sample_values(config).at("guidance") + " and \"" +
                         config.guidance_null + "\"");
      }
      check_denoiser_file("sample.guide_checkpoint", config.guide_checkpoint, problems,
                          "a checkpoint");
    }
  } catch (const InputError& error) {
    problems.add("", error.what());
  }
}

} // namespace d2c
