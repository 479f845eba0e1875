#pragma once
/// The network that scores: loaded from a file, or trained from scratch on all images.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/encode_images.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/diffusion/logit_normal_time.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/score/check_score_config.hpp>
#include <d2c/score/score_config.hpp>
#include <d2c/tensor/device.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/adamw.hpp>
#include <d2c/train/class_condition.hpp>
#include <d2c/train/denoiser_shape.hpp>
#include <d2c/train/fit.hpp>
#include <d2c/train/muon.hpp>
#include <d2c/train/no_align.hpp>
#include <d2c/train/published_weights_file.hpp>
#include <d2c/train/train_config.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// The scorer's training in the terms of [train]: cosine to 2 %, clipping at 1, second moment .99,
/// labels dropped with probability .1, no alignment.
[[nodiscard]] inline TrainConfig scorer_training(const ScoreConfig& config) {
  TrainConfig train;
  train.steps = config.steps;
  train.batch = config.batch;
  train.learning_rate = config.learning_rate;
  train.muon_learning_rate = config.muon_learning_rate;
  train.beta2 = 0.99;
  train.warmup = config.warmup;
  train.schedule = "cosine";
  train.ema = config.ema;
  train.align_weight = 0;
  train.checkpoint_every = std::max<std::int64_t>(100, config.steps / 10);
  train.keep_checkpoints = 1;
  return train;
}

/// The weights that [score] checkpoint names. Throws InputError where they cannot be read or are
/// those of another objective.
template <class Objective>
[[nodiscard]] PublishedWeightsFile scorer_weights(const ScoreConfig& config) {
  return weights_for<Objective>(config.checkpoint,
                                {config.checkpoint_part, config.checkpoint_layout});
}

/// The scorer on the context's device, with averaged weights. With [score] checkpoint they are
/// loaded (published weights or a checkpoint of this library); otherwise the network is trained on
/// all of `images` (Table 6, "from scratch"), resumably, in the folder `scorer` of the stage. Times
/// of that training are logit-normal for velocities of a continuous path and uniform otherwise.
/// Throws InputError and Failure as scorer_weights, PublishedWeightsFile and fit.
template <class Model, class Objective>
[[nodiscard]] std::unique_ptr<DiffusionTransformer> scorer_network(StageContext& context,
                                                                   const ImageSet& images) {
  constexpr Parametrisation predicted = Objective::parametrisation;
  constexpr bool flow = !is_discrete(predicted.path) && predicted.target == TargetKind::velocity;
  using Times = std::conditional_t<flow, LogitNormalTime, UniformTime>;
  const auto& config = context.section<ScoreConfig>();
  const bool trains = trains_scorer(config);
  auto network = std::make_unique<DiffusionTransformer>(
      scorer_shape<Model, Objective>(context.facts), device_from(context.device),
      trains ? std::optional(context.seed) : std::nullopt);
  if (!trains) {
    scorer_weights<Objective>(config).load_into(network->parameters(), network->shape(),
                                                predicted.target);
    return network;
  }

  const std::filesystem::path folder = context.out / "scorer";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    throw Failure("cannot create the folder " + folder.string() + ": " + error.message());
  }
  TrainingSet set;
  std::vector<std::int64_t> all(static_cast<std::size_t>(images.size()));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  set.latents = encode_images(context.codec, images, all, context.progress);
  set.labels = at::tensor(images.labels, at::kInt).to(at::kLong);
  const TrainConfig train = scorer_training(config);
  const FitOptions options{.seed = context.seed,
                           .folder = folder,
                           .progress = &context.progress,
                           .label = "training the scorer"};
  const FitResult result =
      config.optimizer == "muon"
          ? fit<Objective, NoAlign, ClassCondition, Muon, Times>(*network, set, train, options)
          : fit<Objective, NoAlign, ClassCondition, AdamW, Times>(*network, set, train, options);
  const at::NoGradGuard no_grad;
  network->parameters().values().copy_(result.average);
  return network;
}

} // namespace d2c
