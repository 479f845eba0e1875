#pragma once
/// The shapes of the networks that a Trainer trains and a Scorer scores with, from their policies,
/// their configuration and what is attached to the images. Torch-free.

#include <algorithm>
#include <cstdint>

#include <d2c/core/stage_context.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/train/class_condition.hpp>
#include <d2c/train/no_align.hpp>
#include <d2c/train/reg_align.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// Sizes of one training set.
struct TrainingSizes {
  int classes = 0;
  int channels = 0;
  int height = 0;
  int width = 0;
  int text_tokens = 0;
  int text_width = 0;
  int visual_width = 0;
};

/// The sizes as the types and the configuration of an experiment fix them.
inline TrainingSizes training_sizes(const ExperimentFacts& facts) {
  return {.classes = facts.classes,
          .channels = facts.latent_channels,
          .height = facts.latent_height,
          .width = facts.latent_width,
          .text_tokens = facts.text_tokens,
          .text_width = facts.text_width,
          .visual_width = facts.visual_width};
}

/// Blocks before the projector where [train] leaves it open: 8 for L and XL, 4 for B, as REPA
/// publishes; a third of the depth for other networks.
constexpr int default_align_depth(const TransformerSize& size) {
  return std::clamp(size.depth / 3, 1, 8);
}

/// Width of the projector's layers where [train] leaves it open: REPA's 2048; for networks narrower
/// than the smallest published one four times their width, or the projector would dwarf them.
constexpr int default_align_hidden(const TransformerSize& size) {
  return size.width >= 384 ? 2048 : 4 * size.width;
}

/// The denoiser of Trainer<Model, Objective, Aligner, Conditioner>. Without alignment (NoAlign or
/// weight 0) it has no projector.
template <class Model, class Objective, class Aligner, class Conditioner>
NetworkShape denoiser_shape(const TrainingSizes& sizes, const TrainConfig& config) {
  NetworkShape shape;
  shape.family = Model::family;
  shape.size = Model::size;
  shape.channels = sizes.channels;
  shape.height = sizes.height;
  shape.width = sizes.width;
  shape.classes = sizes.classes;
  shape.learn_sigma = Objective::learns_variance;
  shape.class_embedding = Conditioner::uses_class;
  shape.text_embedding = Conditioner::uses_text;
  if (Conditioner::uses_text) {
    shape.text_tokens = sizes.text_tokens;
    shape.text_width = sizes.text_width;
  }
  if (Aligner::aligns && config.align_weight > 0) {
    shape.align_depth = config.align_depth > 0 ? static_cast<int>(config.align_depth)
                                               : default_align_depth(shape.size);
    shape.align_width = sizes.visual_width;
    shape.align_hidden = config.align_hidden > 0 ? static_cast<int>(config.align_hidden)
                                                 : default_align_hidden(shape.size);
  }
  if (entangles<Aligner>()) {
    shape.class_token_width = sizes.visual_width;
  }
  return shape;
}

/// The network of Scorer<Model, Objective>: it knows the class and has no projector.
template <class Model, class Objective>
NetworkShape scorer_shape(const ExperimentFacts& facts) {
  return denoiser_shape<Model, Objective, NoAlign, ClassCondition>(training_sizes(facts),
                                                                   TrainConfig{});
}

} // namespace d2c
