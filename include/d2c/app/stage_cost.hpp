#pragma once
/// What a stage will cost in arithmetic, memory and disk, by the shapes of its networks and the
/// number of its images. What `plan` counts.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include <d2c/app/arm.hpp>
#include <d2c/app/frozen_network.hpp>
#include <d2c/app/network_cost.hpp>
#include <d2c/app/stage_node.hpp>
#include <d2c/attach/attach_config.hpp>
#include <d2c/attach/condensed_file.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/models/forward_operations.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/sample/sample_config.hpp>
#include <d2c/score/check_score_config.hpp>
#include <d2c/score/score_config.hpp>
#include <d2c/select/select_config.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// What a stage will cost. Negative: not known.
struct StageCost {
  double operations = 0;        ///< of the stage's own network
  double frozen_operations = 0; ///< of encoders, autoencoder and feature networks
  double memory_bytes = 0;
  double disk_bytes = 0;
};

/// How many images there are of what.
struct ImageCounts {
  double train = 0;
  double held_out = 0;
  double kept = 0;
  double samples = 0;
};

namespace detail {

/// M of a policy named PerClass<M>; 0 for PerClass<>.
inline std::int64_t pinned_per_class(const Arm& arm) {
  for (const StageNode& stage : arm.stages) {
    for (const std::string_view policy : stage.text.policies) {
      constexpr std::string_view head = "PerClass<";
      if (policy.starts_with(head)) {
        std::int64_t count = 0;
        std::from_chars(policy.data() + head.size(), policy.data() + policy.size(), count);
        return count;
      }
    }
  }
  return 0;
}

/// Images that are trained on, of `train` in the split: those in a pack that is there, all where
/// whole classes are kept, or as many of each class as asked.
inline double kept_images(const Arm& arm, const Sections& sections, double train) {
  const std::filesystem::path pack = condensed_file(sections.get<DataConfig>().pack);
  if (arm.begins_with_pack() && is_file(pack)) {
    return static_cast<double>(SafetensorsFile{pack}.entry("labels").count());
  }
  if (std::any_of(arm.stages.begin(), arm.stages.end(),
                  [](const StageNode& stage) { return stage.keeps_whole_classes; })) {
    return train;
  }
  const std::int64_t pinned = pinned_per_class(arm);
  return static_cast<double>(arm.facts.classes *
                             (pinned > 0 ? pinned : sections.get<SelectConfig>().per_class));
}

} // namespace detail

/// Images of all kinds; throws InputError where nothing says how many there are, or for a damaged
/// pack.
inline ImageCounts image_counts(const Arm& arm, const Sections& sections) {
  const auto split = [&](bool needed, Split which) {
    return needed ? static_cast<double>(arm.expected_images(which)) : 0.0;
  };
  constexpr double published_batch = 10'000; // of ADM's reference batches
  const double train = split(arm.needs_images(), Split::train);
  return {.train = train,
          .held_out = sections.get<EvaluateConfig>().reference.empty()
                          ? split(arm.needs_test_images(sections), Split::test)
                          : published_batch,
          .kept = detail::kept_images(arm, sections, train),
          .samples = static_cast<double>(sections.get<SampleConfig>().images_per_class) *
                     arm.facts.classes};
}

namespace detail {

inline double weight_bytes(const NetworkShape& shape) {
  return 4.0 * static_cast<double>(parameter_count(shape));
}

/// Weights and what is live of a batch without gradients: the rows of one block.
inline double inference_memory(const NetworkShape& shape, double batch) {
  return weight_bytes(shape) +
         4.0 * batch * shape.sequence() * shape.size.width * (6.0 + shape.size.mlp_ratio);
}

/// Parameters with gradient, two moments and average; activations of a training batch.
inline double training_memory(const NetworkShape& shape, double batch) {
  const double tokens = shape.sequence();
  const double per_block = tokens * shape.size.width * (10.0 + 2.0 * shape.size.mlp_ratio) +
                           2.0 * shape.size.heads * tokens * tokens;
  return 5 * weight_bytes(shape) + 4 * batch * shape.size.depth * per_block;
}

/// Weights of a frozen network and what `batch` images or prompts need in it.
inline double frozen_memory(const NetworkCost& cost, double batch) {
  return 4.0 * static_cast<double>(cost.parameters) + batch * cost.activations;
}

inline const NetworkCost& codec_cost_of(const Arm& arm) {
  static const NetworkCost none;
  for (const StageNode& stage : arm.stages) {
    for (const FrozenNetwork& network : stage.frozen) {
      if (network.use == FrozenNetwork::Use::codec) {
        return network.cost;
      }
    }
  }
  return none;
}

/// What the costs of an arm's stages have in common.
struct CostBasis {
  const Arm& arm;
  const Sections& sections;
  const ImageCounts& images;
  const NetworkCost& codec;
  double latent;       ///< bytes of an image in model space
  double pixels;       ///< bytes of an image as it is
  double codec_memory; ///< on a CPU the autoencoder takes images one by one
  double encoding;     ///< operations of an image through the codec, by the stages
};

inline CostBasis cost_basis(const Arm& arm, const Sections& sections, const ImageCounts& images) {
  const ExperimentFacts& facts = arm.facts;
  const NetworkCost& codec = codec_cost_of(arm);
  return {.arm = arm,
          .sections = sections,
          .images = images,
          .codec = codec,
          .latent = 4.0 * facts.latent_channels * facts.latent_height * facts.latent_width,
          .pixels = 1.0 * arm.size.channels * arm.size.height * arm.size.width,
          .codec_memory = frozen_memory(codec, 1),
          .encoding = arm.make_latents ? 0 : codec.operations};
}

inline StageCost score_cost(const CostBasis& basis, const NetworkShape& network) {
  const auto& score = basis.sections.get<ScoreConfig>();
  const double images = basis.images.train;
  const double forward = forward_operations(network);
  const double columns = static_cast<double>(score.columns);
  const double batch = static_cast<double>(score.batch_images);
  StageCost cost;
  cost.operations = forward * images * columns;
  cost.frozen_operations = images * basis.encoding;
  cost.memory_bytes = inference_memory(network, batch) + basis.codec_memory;
  cost.disk_bytes = images * (4.0 * columns + 96);
  if (trains_scorer(score)) {
    const double steps = static_cast<double>(score.steps);
    cost.operations += 3 * forward * steps * static_cast<double>(score.batch);
    cost.frozen_operations += images * basis.encoding;
    cost.memory_bytes =
        std::max(cost.memory_bytes, training_memory(network, static_cast<double>(score.batch)) +
                                        images * basis.latent);
    cost.disk_bytes += 4 * weight_bytes(network);
  }
  return cost;
}

inline StageCost select_cost(const ImageCounts& images) {
  return {.memory_bytes = images.train * 200, .disk_bytes = images.kept * 96};
}

inline StageCost attach_cost(const CostBasis& basis, const StageNode& stage) {
  const ExperimentFacts& facts = basis.arm.facts;
  const double kept = basis.images.kept;
  const double text = 4.0 * facts.classes * facts.text_tokens * facts.text_width;
  StageCost cost;
  cost.frozen_operations = kept * basis.encoding;
  double encoder_memory = 0; // of the larger one: they are loaded one after the other
  for (const FrozenNetwork& network : stage.frozen) {
    const bool prompts = network.use == FrozenNetwork::Use::text;
    const double batch =
        prompts ? 64 : static_cast<double>(basis.sections.get<AttachConfig>().batch);
    cost.frozen_operations += network.cost.operations * (prompts ? facts.classes : kept);
    encoder_memory = std::max(encoder_memory, frozen_memory(network.cost, batch));
  }
  cost.memory_bytes = text + basis.codec_memory + encoder_memory;
  if (stage.frozen.size() < stage.text.policies.size()) {
    cost.frozen_operations = -1;
  }
  cost.disk_bytes = text + kept * (4.0 * facts.visual_tokens * facts.visual_width +
                                   (basis.codec.parameters > 0 ? basis.latent : basis.pixels));
  return cost;
}

/// Of a stage that takes a denoiser from a file.
inline StageCost pretrained_cost(const NetworkShape& network) {
  const double bytes = weight_bytes(network);
  return {.memory_bytes = bytes, .disk_bytes = 2 * bytes};
}

inline StageCost train_cost(const CostBasis& basis, const NetworkShape& network) {
  const auto& train = basis.sections.get<TrainConfig>();
  const ExperimentFacts& facts = basis.arm.facts;
  const double kept = basis.images.kept;
  const double batch = static_cast<double>(train.batch);
  const double steps = static_cast<double>(train.steps);
  const bool aligned = network.align_depth > 0;
  const bool attached =
      std::any_of(basis.arm.stages.begin(), basis.arm.stages.end(),
                  [](const StageNode& other) { return other.kind() == "attach"; });
  const double pieces = static_cast<double>(std::max<std::int64_t>(1, train.accumulate));
  StageCost cost;
  cost.operations = 3 * forward_operations(network) * batch * steps;
  cost.frozen_operations = attached ? 0 : kept * basis.encoding;
  cost.memory_bytes =
      training_memory(network, batch / pieces) +
      kept * (basis.latent + (aligned ? 4.0 * facts.visual_tokens * facts.visual_width : 0));
  // Weights, average and two moments; one more while a checkpoint is written.
  cost.disk_bytes = 4 * weight_bytes(network) * static_cast<double>(1 + train.keep_checkpoints);
  return cost;
}

inline StageCost sample_cost(const CostBasis& basis, const StageNode& stage) {
  const double samples = basis.images.samples;
  const double batch = static_cast<double>(basis.sections.get<SampleConfig>().batch);
  StageCost cost{.operations = -1};
  for (const StageNode& other : basis.arm.stages) {
    if (other.kind() == "train" && other.network && other.parametrisation && stage.network_calls) {
      cost.operations = forward_operations(*other.network) * samples *
                        stage.network_calls(*other.parametrisation);
      cost.memory_bytes = inference_memory(*other.network, 2 * batch);
    }
  }
  cost.frozen_operations = samples * basis.codec.decode_operations;
  cost.memory_bytes += basis.codec_memory + batch * basis.pixels;
  cost.disk_bytes = 3 * samples * basis.pixels; // both files, and parts until they are joined
  return cost;
}

inline StageCost evaluate_cost(const CostBasis& basis, const StageNode& stage) {
  const ImageCounts& images = basis.images;
  const double batch = static_cast<double>(basis.sections.get<EvaluateConfig>().batch);
  const double all = images.held_out + images.kept + images.samples;
  StageCost cost{.memory_bytes = batch * basis.pixels}; // of each set a batch at a time
  if (stage.frozen.empty()) {
    cost.frozen_operations = -1;
    return cost;
  }
  for (const std::string_view metric : stage.text.policies) {
    if (metric.find("FID") != std::string_view::npos || metric.starts_with("FrechetDistance")) {
      // Of samples and of training images: two eigendecompositions each.
      cost.frozen_operations += 2 * 20 * 2048.0 * 2048 * 2048;
    }
  }
  for (const FrozenNetwork& network : stage.frozen) {
    constexpr double numbers = 2048 + 1008; // of one image, for neighbours and classes
    cost.frozen_operations += all * network.cost.operations;
    cost.memory_bytes += frozen_memory(network.cost, batch) + 4 * numbers * all;
    cost.disk_bytes += 4 * numbers * images.held_out + 8 * 2 * 2048.0 * 2048;
  }
  return cost;
}

} // namespace detail

/// What one stage of an arm will cost.
inline StageCost stage_cost(const Arm& arm, const StageNode& stage, const Sections& sections,
                            const ImageCounts& images) {
  const detail::CostBasis basis = detail::cost_basis(arm, sections, images);
  const std::string& kind = stage.kind();
  if (kind == "score" && stage.network) {
    return detail::score_cost(basis, *stage.network);
  }
  if (kind == "select") {
    return detail::select_cost(images);
  }
  if (kind == "attach") {
    return detail::attach_cost(basis, stage);
  }
  if (kind == "train" && stage.network) {
    return stage.trains() ? detail::train_cost(basis, *stage.network)
                          : detail::pretrained_cost(*stage.network);
  }
  if (kind == "sample") {
    return detail::sample_cost(basis, stage);
  }
  if (kind == "evaluate") {
    return detail::evaluate_cost(basis, stage);
  }
  return {.operations = -1};
}

/// What the cache of latents of an arm will cost: all training images encoded once, a file for
/// each.
inline StageCost latent_cache_cost(const Arm& arm, const ImageCounts& images) {
  const ExperimentFacts& facts = arm.facts;
  const NetworkCost& codec = detail::codec_cost_of(arm);
  constexpr double header = 128; // of an .npy file
  constexpr double block = 4096; // of the usual file system
  const double bytes =
      header + 4.0 * 2 * facts.latent_channels * facts.latent_height * facts.latent_width;
  return {.frozen_operations = images.train * codec.operations,
          .memory_bytes = detail::frozen_memory(codec, 1),
          .disk_bytes = images.train * block * std::ceil(bytes / block)};
}

} // namespace d2c
