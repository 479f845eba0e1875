#pragma once
/// A training set and a network small enough to train within a test.

#include <cstdint>

#include <d2c/models/transformer_size.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c_test {

inline d2c::NetworkShape small_shape() {
  d2c::NetworkShape shape;
  shape.size = {2, 32, 2, 2};
  shape.channels = 1;
  shape.height = shape.width = 4;
  shape.classes = 2;
  return shape;
}

/// The same with text and a projector for aligned_set().
inline d2c::NetworkShape aligned_shape() {
  d2c::NetworkShape shape = small_shape();
  shape.text_embedding = true;
  shape.text_tokens = 3;
  shape.text_width = 5;
  shape.align_depth = 1;
  shape.align_width = 6;
  shape.align_hidden = 16;
  return shape;
}

/// Two classes of constant images, black and white: known class, known image.
inline d2c::TrainingSet small_set(std::int64_t images = 12) {
  d2c::TrainingSet set;
  set.labels = at::arange(images, at::kLong).remainder(2);
  set.latents =
      (set.labels.to(at::kFloat) * 2 - 1).view({-1, 1, 1, 1}).expand({-1, 1, 4, 4}).clone();
  return set;
}

/// The same with text, and with patch tokens that follow from class and place.
inline d2c::TrainingSet aligned_set(std::int64_t images = 12) {
  d2c::TrainingSet set = small_set(images);
  set.text_tokens = at::linspace(-1, 1, 2 * 3 * 5).view({2, 3, 5});
  set.text_mask = at::ones({2, 3});
  set.visual_tokens = at::linspace(-1, 2, 4 * 6).view({1, 4, 6}).sin() *
                      (set.labels.to(at::kFloat) * 2 - 1).view({-1, 1, 1});
  return set;
}

} // namespace d2c_test
