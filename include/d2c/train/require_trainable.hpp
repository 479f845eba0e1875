#pragma once
/// Whether a training set fits a network.

#include <cstdint>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// Throws InputError if the set does not fit the network and what it is trained with.
inline void require_trainable(const TrainingSet& set, const NetworkShape& shape, bool text,
                              bool visual, const char* name = "training set") {
  const auto refuse = [name](const std::string& sentence) {
    throw InputError(std::string(name) + ": " + sentence);
  };
  if (set.size() == 0) {
    refuse("expected at least one image, found none");
  }
  if (set.latents.dim() != 4 || set.latents.size(1) != shape.channels ||
      set.latents.size(2) != shape.height || set.latents.size(3) != shape.width) {
    refuse("expected images of " + std::to_string(shape.channels) + " x " +
           std::to_string(shape.height) + " x " + std::to_string(shape.width) +
           ", found a tensor of " + std::to_string(set.latents.numel() / set.size()) +
           " elements per image");
  }
  if (!set.labels.defined() || set.labels.numel() != set.size()) {
    refuse("expected one label per image (" + std::to_string(set.size()) + "), found " +
           std::to_string(set.labels.defined() ? set.labels.numel() : 0));
  }
  const auto least = set.labels.min().item<std::int64_t>();
  const auto largest = set.labels.max().item<std::int64_t>();
  if (least < 0 || largest >= shape.classes) {
    refuse("expected labels 0 to " + std::to_string(shape.classes - 1) + ", found " +
           std::to_string(least < 0 ? least : largest));
  }
  if (text && (!set.text_tokens.defined() || !set.text_mask.defined())) {
    refuse("expected text tokens, found none attached");
  }
  if (visual && (!set.visual_tokens.defined() || set.visual_tokens.size(0) != set.size())) {
    refuse("expected visual tokens for " + std::to_string(set.size()) + " images, found " +
           std::to_string(set.visual_tokens.defined() ? set.visual_tokens.size(0) : 0));
  }
}

} // namespace d2c
