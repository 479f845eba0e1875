#pragma once
/// What a resumed training must repeat word for word.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <type_traits>

#include <d2c/config/adapt.hpp>
#include <d2c/config/no_effect.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/train_config.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// Everything that fixes the bits of a run, one "key=value" a line.
template <class... Policies>
std::string training_recipe(const TrainingSet& set, const TrainConfig& config, std::uint64_t seed,
                            const Tensor& initial) {
  std::string recipe;
  ((recipe += "policy=" + std::string(Policies::name) + "\n"), ...);
  recipe += "seed=" + std::to_string(seed) + "\n";
  for_each_field(config, [&](std::string_view name, const auto& field) {
    // The values count, not where they came from.
    if (!changes_results<TrainConfig>(name) || name == "initial_weights") {
      return;
    }
    std::string text;
    if constexpr (std::is_same_v<std::decay_t<decltype(field)>, double>) {
      char digits[32];
      std::snprintf(digits, sizeof digits, "%.17g", field);
      text = digits;
    } else if constexpr (std::is_same_v<std::decay_t<decltype(field)>, std::string>) {
      text = field;
    } else {
      text = std::to_string(field);
    }
    recipe += "train." + std::string(name) + "=" + text + "\n";
  });
  const auto hash = [](const Tensor& tensor) {
    const Tensor bytes = tensor.cpu().contiguous();
    return hash_of_text({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  };
  if (!config.initial_weights.empty()) {
    recipe += "initial=" + hash(initial) + "\n";
  }
  recipe += "images=" + std::to_string(set.size()) + "\n";
  recipe += "latents=" + hash(set.latents) + "\n";
  recipe += "labels=" + hash(set.labels) + "\n";
  return recipe;
}

} // namespace d2c
