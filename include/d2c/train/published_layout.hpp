#pragma once
/// Whose code a published diffusion transformer belongs to, and under which keys a configuration
/// says what to take of its file. Torch-free.

#include <array>
#include <string>
#include <string_view>

#include <d2c/core/problem.hpp>
#include <d2c/diffusion/option_name.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// Whose network a state dict is of. The names of the tensors are the same; `sit` (Ma et al. 2024)
/// counts time from noise (0) to data (1), `repa` (Yu et al. 2025, and REG) from data to noise, as
/// here, and `dit` (Peebles & Xie 2023) by the indices of a DDPM schedule.
enum class PublishedLayout { dit, sit, repa };

template <>
inline constexpr std::array<std::string_view, 3> option_names<PublishedLayout>{"dit", "sit",
                                                                               "repa"};

/// What is taken of a file: the averaged weights ("ema") or the last ones ("model") where it holds
/// both, as the network of the code that `layout` names; "auto": of the code that the file tells.
struct PublishedChoice {
  std::string part = "ema";
  std::string layout = "auto";
};

/// Adds a problem for each word that is none; the places are `key`_part and `key`_layout.
inline void check_published_choice(const PublishedChoice& choice, const std::string& key,
                                   Problems& problems) {
  if (choice.part != "ema" && choice.part != "model") {
    problems.add(key + "_part", "expected \"ema\" or \"model\", found \"" + choice.part + "\"");
  }
  if (choice.layout != "auto" && !option_from_name<PublishedLayout>(choice.layout)) {
    problems.add(key + "_layout", "expected \"auto\", " + option_choices<PublishedLayout>() +
                                      ", found \"" + choice.layout + "\"");
  }
}

/// Whether the published code of a layout has a place for a denoiser: a square one that predicts
/// what that code's sampler integrates. SiT's has no class token, REPA's knows the velocities of
/// two paths, DiT's noise or data of a DDPM schedule.
[[nodiscard]] inline bool layout_holds(PublishedLayout layout, const NetworkShape& shape,
                                       const Parametrisation& predicted) {
  if (shape.height != shape.width || !(shape.class_embedding || shape.text_embedding)) {
    return false;
  }
  const bool velocity = predicted.target == TargetKind::velocity;
  switch (layout) {
  case PublishedLayout::dit:
    return is_discrete(predicted.path) && shape.class_token_width == 0 &&
           (predicted.target == TargetKind::noise || predicted.target == TargetKind::data);
  case PublishedLayout::sit:
    return !is_discrete(predicted.path) && shape.class_token_width == 0 && !shape.learn_sigma &&
           predicted.target != TargetKind::data;
  case PublishedLayout::repa:
    return velocity && !shape.learn_sigma &&
           (predicted.path == PathKind::linear || predicted.path == PathKind::gvp);
  }
  return false;
}

} // namespace d2c
