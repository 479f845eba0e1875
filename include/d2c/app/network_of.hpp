#pragma once
/// The network a scorer or trainer uses, from its policies, the facts of the experiment and its
/// configuration. What describe prints and plan counts.

#include <d2c/core/stage_context.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/score/scorer.hpp>
#include <d2c/train/train_config.hpp>
#include <d2c/train/trainer.hpp>

namespace d2c {

/// Blocks before the projector where [train] align_depth is 0: 8 of 24 or more (REPA's choice for L
/// and XL), a third of smaller networks, at least 1.
constexpr int default_align_depth(int depth) {
  return depth >= 24 ? 8 : (depth + 2) / 3;
}

/// A class-conditional network in model space, without text and projector.
constexpr NetworkShape plain_network(Family family, const TransformerSize& size,
                                     const ExperimentFacts& facts) {
  return {.family = family,
          .size = size,
          .channels = facts.latent_channels,
          .height = facts.latent_height,
          .width = facts.latent_width,
          .classes = facts.classes,
          .learn_sigma = family == Family::dit};
}

template <class... Policies>
NetworkShape network_of(const Scorer<Policies...>&, const ExperimentFacts& facts, const Sections&) {
  using Model = typename Scorer<Policies...>::model;
  return plain_network(Model::family, Model::size, facts);
}

template <class... Policies>
NetworkShape network_of(const Trainer<Policies...>&, const ExperimentFacts& facts,
                        const Sections& sections) {
  using Stage = Trainer<Policies...>;
  using Model = typename Stage::model;
  NetworkShape shape = plain_network(Model::family, Model::size, facts);
  shape.class_embedding = Stage::conditioner::uses_class;
  shape.text_embedding = Stage::conditioner::uses_text;
  if (shape.text_embedding) {
    shape.text_tokens = facts.text_tokens;
    shape.text_width = facts.text_width;
  }
  if (Stage::aligner::aligns) {
    const auto asked = sections.get<TrainConfig>().align_depth;
    shape.align_depth =
        asked > 0 ? static_cast<int>(asked) : default_align_depth(Model::size.depth);
    shape.align_width = facts.visual_width;
  }
  return shape;
}

} // namespace d2c
