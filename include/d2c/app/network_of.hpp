#pragma once
/// The network a scorer or trainer uses, or that is taken from a file, from its policies, the facts
/// of the experiment and its configuration. What describe prints and plan counts.

#include <d2c/core/stage_context.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/score/scorer.hpp>
#include <d2c/train/denoiser_shape.hpp>
#include <d2c/train/pretrained.hpp>
#include <d2c/train/train_config.hpp>
#include <d2c/train/trainer.hpp>

namespace d2c {

template <class... Policies>
NetworkShape network_of(const Scorer<Policies...>&, const ExperimentFacts& facts, const Sections&) {
  using Stage = Scorer<Policies...>;
  return scorer_shape<typename Stage::model, typename Stage::objective>(facts);
}

template <class... Policies>
NetworkShape network_of(const Trainer<Policies...>&, const ExperimentFacts& facts,
                        const Sections& sections) {
  using Stage = Trainer<Policies...>;
  return denoiser_shape<typename Stage::model, typename Stage::objective, typename Stage::aligner,
                        typename Stage::conditioner>(training_sizes(facts),
                                                     sections.get<TrainConfig>());
}

template <class... Policies>
NetworkShape network_of(const Pretrained<Policies...>&, const ExperimentFacts& facts,
                        const Sections&) {
  using Stage = Pretrained<Policies...>;
  return scorer_shape<typename Stage::model, typename Stage::objective>(facts);
}

} // namespace d2c
