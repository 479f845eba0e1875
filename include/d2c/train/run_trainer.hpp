#pragma once
/// The body of the stage Trainer: from the condensed set to checkpoints.

#include <cstdint>
#include <filesystem>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/tensor/device.hpp>
#include <d2c/train/check_train_config.hpp>
#include <d2c/train/denoiser_file.hpp>
#include <d2c/train/denoiser_shape.hpp>
#include <d2c/train/dispersive_loss.hpp>
#include <d2c/train/fit.hpp>
#include <d2c/train/held_out_set.hpp>
#include <d2c/train/load_training_set.hpp>
#include <d2c/train/published_weights_file.hpp>
#include <d2c/train/reg_align.hpp>
#include <d2c/train/train_config.hpp>
#include <d2c/train/trainer.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// The weights that [train] initial_weights names. Throws InputError where they cannot be read or
/// are those of another objective.
template <class Objective>
[[nodiscard]] PublishedWeightsFile initial_weights(const TrainConfig& config) {
  return weights_for<Objective>(config.initial_weights,
                                {config.initial_part, config.initial_layout});
}

/// Adds what can be known to be wrong before any training: values of [train], initial weights that
/// do not fit, and an alignment whose depth or token grid the network does not have.
template <class... Policies>
void check_stage(const Trainer<Policies...>&, const StageContext& context, Problems& problems) {
  using Stage = Trainer<Policies...>;
  const TrainConfig& config = context.section<TrainConfig>();
  check_train_config(config, problems);
  if (config.flip > 0 && !context.codec.mirrors()) {
    problems.add("train.flip",
                 "expected 0 with a codec whose latents of a mirror image are not the "
                 "mirrored latents, found " +
                     std::to_string(config.flip));
  }
  using Aligner = typename Stage::aligner;
  // Sizes of what a pack holds only the pack knows.
  const TrainingSizes sizes = training_sizes(context.facts);
  const bool known = sizes.classes > 0 && sizes.height > 0 &&
                     (!Stage::conditioner::uses_text || sizes.text_width > 0) &&
                     (!(Aligner::aligns || entangles<Aligner>()) || sizes.visual_width > 0);
  if (known && !config.initial_weights.empty() && is_file(denoiser_file(config.initial_weights))) {
    problems.check("train.initial_weights", [&] {
      initial_weights<typename Stage::objective>(config).require_fits(
          denoiser_shape<typename Stage::model, typename Stage::objective, Aligner,
                         typename Stage::conditioner>(sizes, config),
          true);
    });
  }
  constexpr TransformerSize size = Stage::model::size;
  if ((Aligner::aligns || disperses<Aligner>()) && config.align_depth > size.depth) {
    problems.add("train.align_depth", "expected at most the network's depth " +
                                          std::to_string(size.depth) + ", found " +
                                          std::to_string(config.align_depth));
  }
  if (disperses<Aligner>() && config.align_weight > 0 && config.accumulate > 0 &&
      config.batch / config.accumulate < 2) {
    problems.add("train.batch", "expected at least two images per piece of a batch (train.batch / "
                                "train.accumulate) for DispersiveLoss, found " +
                                    std::to_string(config.batch / config.accumulate));
  }
  if (entangles<Aligner>() && config.evaluate_every > 0 && config.evaluate_share == 0) {
    problems.add("train.evaluate_share",
                 "expected a share of the subset above 0, since images outside it have no class "
                 "token for REGAlign, found 0");
  }
  if constexpr (Aligner::aligns) {
    const ExperimentFacts& facts = context.facts;
    const int grid = (facts.latent_height / size.patch) * (facts.latent_width / size.patch);
    if (config.align_weight > 0 && facts.visual_tokens > 0 && grid > 0 &&
        facts.visual_tokens != grid) {
      problems.add(Stage::name(), "expected " + std::to_string(grid) +
                                      " visual tokens per image, one per patch, found an encoder "
                                      "with " +
                                      std::to_string(facts.visual_tokens));
    }
  }
}

/// Trains the denoiser and leaves checkpoints and loss.csv in context.out. A run that was cut goes
/// on from its newest checkpoint. Throws InputError where set, configuration and network do not
/// fit.
template <class... Policies>
void run_stage(const Trainer<Policies...>&, StageContext& context) {
  using Stage = Trainer<Policies...>;
  using Conditioner = typename Stage::conditioner;
  using Aligner = typename Stage::aligner;
  const TrainConfig& config = context.section<TrainConfig>();
  const bool aligned = Aligner::aligns && config.align_weight > 0;
  constexpr bool entangled = entangles<Aligner>();
  TrainingSet set = load_training_set(context, Conditioner::uses_text, aligned, entangled);
  FitOptions options;
  if (config.evaluate_every > 0) {
    options.held_out = take_held_out(set, context, config);
  }

  TrainingSizes sizes;
  sizes.channels = static_cast<int>(set.latents.size(1));
  sizes.height = static_cast<int>(set.latents.size(2));
  sizes.width = static_cast<int>(set.latents.size(3));
  sizes.classes = context.facts.classes;
  if (Conditioner::uses_text) {
    sizes.text_tokens = static_cast<int>(set.text_tokens.size(1));
    sizes.text_width = static_cast<int>(set.text_tokens.size(2));
  }
  if (sizes.classes == 0) {
    sizes.classes = Conditioner::uses_text ? static_cast<int>(set.text_tokens.size(0))
                                           : context.images(Split::train).classes();
  }
  if (aligned) {
    sizes.visual_width = static_cast<int>(set.visual_tokens.size(2));
  } else if (entangled) {
    sizes.visual_width = static_cast<int>(set.class_tokens.size(1));
  }
  const NetworkShape shape =
      denoiser_shape<typename Stage::model, typename Stage::objective, Aligner, Conditioner>(
          sizes, config);
  if (aligned && set.visual_tokens.size(1) != shape.tokens()) {
    throw InputError("training set: expected " + std::to_string(shape.tokens()) +
                     " visual tokens per image, one per patch of the network, found " +
                     std::to_string(set.visual_tokens.size(1)));
  }

  DiffusionTransformer network(shape, device_from(context.device), context.seed);
  if (!config.initial_weights.empty()) {
    using Objective = typename Stage::objective;
    initial_weights<Objective>(config).load_into(network.parameters(), shape,
                                                 Objective::parametrisation.target, true);
  }
  options.seed = context.seed;
  options.folder = context.out;
  options.progress = &context.progress;
  options.label = "train";
  fit<typename Stage::objective, Aligner, Conditioner, typename Stage::optimizer,
      typename Stage::time_distribution>(network, set, config, options);
}

} // namespace d2c
