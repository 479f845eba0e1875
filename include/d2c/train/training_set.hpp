#pragma once
/// What a denoiser is trained on, in memory. Loading it is in train/load_training_set.hpp.

#include <cstdint>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Training images in model space with what is attached to them. Undefined tensors: not attached.
struct TrainingSet {
  Tensor latents;       ///< [n, C, H, W] float32, model space
  Tensor labels;        ///< [n] int64
  Tensor text_tokens;   ///< [classes, L, W] float32, one prompt per class
  Tensor text_mask;     ///< [classes, L] float32, 1: a token, 0: padding
  Tensor visual_tokens; ///< [n, N, V] float32, patch tokens of each image
  Tensor class_tokens;  ///< [n, V] float32, class token of each image

  [[nodiscard]] std::int64_t size() const { return latents.defined() ? latents.size(0) : 0; }
};

} // namespace d2c
