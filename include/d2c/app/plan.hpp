#pragma once
/// What `plan` prints: predicted time, memory and disk per stage, from a measured matrix product
/// and the arithmetic of the networks, and the files to get. A prediction to decide by, not a
/// promise.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/app/backend.hpp>
#include <d2c/app/driver.hpp>
#include <d2c/app/needed_files.hpp>
#include <d2c/attach/condensed_file.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/latent_cache.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/sample/network_calls.hpp>
#include <d2c/sample/sample_config.hpp>
#include <d2c/score/check_score_config.hpp>
#include <d2c/score/score_config.hpp>
#include <d2c/select/select_config.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// Operations (multiply and add count as two) of one image through the network, forward. Matrix
/// products only: qkv, projection and MLP per token, attention, and the modulation per image.
constexpr double forward_operations(const NetworkShape& shape) {
  const double width = shape.size.width;
  const double tokens = shape.sequence();
  const double per_token = 2 * width * width * (4 + 2 * shape.size.mlp_ratio) + 4 * tokens * width;
  const double ends = 2.0 * tokens * width * shape.size.patch * shape.size.patch *
                      (shape.channels + shape.out_channels());
  return shape.size.depth * (tokens * per_token + 12 * width * width) + ends;
}

/// One row of the plan. Negative: not known.
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
    return static_cast<double>(SafetensorsFile{pack}.entry("labels").shape.at(0));
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

} // namespace detail

/// What one stage of an arm will cost.
inline StageCost stage_cost(const Arm& arm, const StageNode& stage, const Sections& sections,
                            const ImageCounts& images) {
  const ExperimentFacts& facts = arm.facts;
  const double latent = 4.0 * facts.latent_channels * facts.latent_height * facts.latent_width;
  const double pixels = 1.0 * arm.size.channels * arm.size.height * arm.size.width;
  const NetworkCost& codec = detail::codec_cost_of(arm);
  const double codec_memory = detail::frozen_memory(codec, 1);
  const double encoding = arm.make_latents ? 0 : codec.operations; // of an image, by the stages
  // On a CPU the autoencoder takes images one by one.
  StageCost cost;
  if (stage.kind() == "score" && stage.network) {
    const auto& score = sections.get<ScoreConfig>();
    const double forward = forward_operations(*stage.network);
    const double columns = static_cast<double>(score.columns);
    const double batch = static_cast<double>(score.batch_images);
    cost.operations = forward * images.train * columns;
    cost.frozen_operations = images.train * encoding;
    cost.memory_bytes = detail::inference_memory(*stage.network, batch) + codec_memory;
    cost.disk_bytes = images.train * (4.0 * columns + 96);
    if (trains_scorer(score)) {
      const double steps = static_cast<double>(score.steps);
      cost.operations += 3 * forward * steps * static_cast<double>(score.batch);
      cost.frozen_operations += images.train * encoding;
      cost.memory_bytes =
          std::max(cost.memory_bytes,
                   detail::training_memory(*stage.network, static_cast<double>(score.batch)) +
                       images.train * latent);
      cost.disk_bytes += 4 * detail::weight_bytes(*stage.network);
    }
  } else if (stage.kind() == "select") {
    cost.memory_bytes = images.train * 200;
    cost.disk_bytes = images.kept * 96;
  } else if (stage.kind() == "attach") {
    cost.frozen_operations = images.kept * encoding;
    const double text = 4.0 * facts.classes * facts.text_tokens * facts.text_width;
    double encoder_memory = 0; // of the larger one: they are loaded one after the other
    for (const FrozenNetwork& network : stage.frozen) {
      const bool prompts = network.use == FrozenNetwork::Use::text;
      const double batch = prompts ? 64 : static_cast<double>(sections.get<AttachConfig>().batch);
      cost.frozen_operations += network.cost.operations * (prompts ? facts.classes : images.kept);
      encoder_memory = std::max(encoder_memory, detail::frozen_memory(network.cost, batch));
    }
    cost.memory_bytes = text + codec_memory + encoder_memory;
    if (stage.frozen.size() < stage.text.policies.size()) {
      cost.frozen_operations = -1;
    }
    cost.disk_bytes = text + images.kept * (4.0 * facts.visual_tokens * facts.visual_width +
                                            (codec.parameters > 0 ? latent : pixels));
  } else if (stage.kind() == "train" && stage.network && !stage.trains()) {
    const double bytes = detail::weight_bytes(*stage.network);
    cost.memory_bytes = bytes;
    cost.disk_bytes = 2 * bytes;
  } else if (stage.kind() == "train" && stage.network) {
    const auto& train = sections.get<TrainConfig>();
    const double batch = static_cast<double>(train.batch);
    const double steps = static_cast<double>(train.steps);
    const bool aligned = stage.network->align_depth > 0;
    const bool attached =
        std::any_of(arm.stages.begin(), arm.stages.end(),
                    [](const StageNode& other) { return other.kind() == "attach"; });
    cost.operations = 3 * forward_operations(*stage.network) * batch * steps;
    cost.frozen_operations = attached ? 0 : images.kept * encoding;
    const double pieces = static_cast<double>(std::max<std::int64_t>(1, train.accumulate));
    cost.memory_bytes =
        detail::training_memory(*stage.network, batch / pieces) +
        images.kept * (latent + (aligned ? 4.0 * facts.visual_tokens * facts.visual_width : 0));
    // Weights, average and two moments; one more while a checkpoint is written.
    cost.disk_bytes =
        4 * detail::weight_bytes(*stage.network) * static_cast<double>(1 + train.keep_checkpoints);
  } else if (stage.kind() == "sample") {
    const auto& sample = sections.get<SampleConfig>();
    const double batch = static_cast<double>(sample.batch);
    cost.operations = -1;
    for (const StageNode& other : arm.stages) {
      if (other.kind() == "train" && other.network && other.parametrisation &&
          stage.network_calls) {
        cost.operations = forward_operations(*other.network) * images.samples *
                          stage.network_calls(*other.parametrisation);
        cost.memory_bytes = detail::inference_memory(*other.network, 2 * batch);
      }
    }
    cost.frozen_operations = images.samples * codec.decode_operations;
    cost.memory_bytes += codec_memory + batch * pixels;
    cost.disk_bytes = 3 * images.samples * pixels; // both files, and parts until they are joined
  } else if (stage.kind() == "evaluate") {
    const double batch = static_cast<double>(sections.get<EvaluateConfig>().batch);
    const double all = images.held_out + images.kept + images.samples;
    cost.memory_bytes = batch * pixels; // of each set a batch at a time
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
      cost.memory_bytes += detail::frozen_memory(network.cost, batch) + 4 * numbers * all;
      cost.disk_bytes += 4 * numbers * images.held_out + 8 * 2 * 2048.0 * 2048;
    }
  } else {
    cost.operations = -1;
  }
  return cost;
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

namespace detail {

/// "12 s", "3.4 min", "5.6 h" or "7.8 days".
inline std::string duration_text(double seconds) {
  char text[32];
  if (seconds < 100) {
    std::snprintf(text, sizeof text, "%.0f s", seconds);
  } else if (seconds < 100 * 60) {
    std::snprintf(text, sizeof text, "%.1f min", seconds / 60);
  } else if (seconds < 72 * 3600) {
    std::snprintf(text, sizeof text, "%.1f h", seconds / 3600);
  } else {
    std::snprintf(text, sizeof text, "%.1f days", seconds / 86400);
  }
  return text;
}

/// The files of all arms, each once, with what is known of their size and where they are expected.
inline std::string files_text(const Driver& driver, const Sections& sections) {
  std::string text;
  std::vector<std::string> seen;
  double missing = 0;
  char row[100];
  for (const Arm& arm : driver.arms()) {
    for (const NeededFile& file : needed_files(arm, sections)) {
      const std::string name = file.key + file.what + file.path;
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
        continue;
      }
      seen.push_back(name);
      missing += file.is_there() ? 0 : file.bytes;
      std::snprintf(row, sizeof row, "%-28s %10s  %-8s ", file.key.c_str(),
                    file.bytes > 0 ? size_text(file.bytes).c_str() : "",
                    file.is_there() ? "there" : "missing");
      text +=
          row + file.what + (file.path.empty() ? ", no path given" : ", at " + file.path) + "\n";
    }
  }
  if (text.empty()) {
    return text;
  }
  std::snprintf(row, sizeof row, "\n%-28s %10s  %-8s %s\n", "file or folder", "size", "", "what");
  text.insert(0, row);
  return missing > 0 ? text + "to get: " + size_text(missing) +
                           " of weights, as float32; published files may hold more (decoders)\n"
                     : text;
}

} // namespace detail

/// The table of all arms, then the files they need; stages that arms share and stages that are
/// finished cost nothing more. Images that are not there yet are counted as published.
template <class = Once>
std::string plan_text(const Driver& driver, const Sections& sections, const Backend& backend,
                      const std::string& device) {
  constexpr double reached = 0.4;
  constexpr std::int64_t usual_width = 512; // of networks that have none of their own here
  constexpr double preparing = 3e-3; // seconds that one core takes to decode and crop an image
  std::string text;
  std::string notes;
  char row[300];
  std::vector<std::string> seen;
  double total = 0;
  double disk = 0;
  double memory = 0;
  bool all_known = true;
  std::map<std::int64_t, double> rates;
  const auto rate = [&](std::int64_t width) {
    const auto [found, fresh] = rates.try_emplace(width, 0);
    if (fresh) {
      found->second = reached * backend.matrix_product_rate(device, 3136, width, 4 * width, 0.3);
    }
    return found->second;
  };
  const auto first_time = [&](const std::string& place) {
    const bool fresh = std::find(seen.begin(), seen.end(), place) == seen.end();
    seen.push_back(place);
    return fresh;
  };
  const auto add_row = [&](const Arm& arm, const std::string& kind, const std::string& what) {
    std::snprintf(row, sizeof row, "%-10s %-10s %s\n", arm.name.c_str(), kind.c_str(),
                  what.c_str());
    text += row;
  };
  const auto add_cost = [&](const Arm& arm, const std::string& kind, double seconds,
                            const StageCost& cost) {
    memory = std::max(memory, cost.memory_bytes);
    disk += cost.disk_bytes;
    total += std::max(0.0, seconds);
    all_known = all_known && seconds >= 0;
    char numbers[100];
    std::snprintf(numbers, sizeof numbers, "%10s %10s %10s",
                  seconds < 0 ? "?" : detail::duration_text(seconds).c_str(),
                  size_text(cost.memory_bytes).c_str(), size_text(cost.disk_bytes).c_str());
    add_row(arm, kind, numbers);
  };
  for (const Arm& arm : driver.arms()) {
    const ImageCounts images = image_counts(arm, sections);
    if (arm.preparation && arm.needs_images() && !arm.preparation->is_finished(Split::train) &&
        first_time(arm.preparation->folder(Split::train).string())) {
      const double pixels = 1.0 * arm.size.channels * arm.size.height * arm.size.width;
      const double all = images.train + (arm.needs_test_images(sections) ? images.held_out : 0);
      add_cost(arm, "prepare", all * preparing / driver.threads(),
               {.memory_bytes =
                    2.0 * static_cast<double>(sections.get<PrepareConfig>().shard_images) * pixels,
                .disk_bytes = all * pixels});
    }
    const std::filesystem::path cache = sections.get<DataConfig>().latent_cache;
    if (arm.make_latents && !LatentCache{cache}.is_finished() && first_time(cache.string())) {
      const StageCost cost = latent_cache_cost(arm, images);
      add_cost(arm, "latents", cost.frozen_operations / rate(usual_width), cost);
    }
    for (const StageNode& stage : arm.stages) {
      if (!stage.run) {
        continue;
      }
      if (!first_time(stage.kind() + "-" + stage.key)) {
        add_row(arm, stage.kind(), "shared with an arm above");
        continue;
      }
      if (const auto record = driver.finished(stage)) {
        std::snprintf(row, sizeof row, "finished earlier in %.1f s", record->seconds);
        add_row(arm, stage.kind(), row);
        continue;
      }
      const StageCost cost = stage_cost(arm, stage, sections, images);
      double seconds = -1;
      if (cost.operations >= 0 && cost.frozen_operations >= 0) {
        const std::int64_t width = stage.network ? stage.network->size.width : usual_width;
        seconds = cost.operations > 0 ? cost.operations / rate(width) : 0;
        seconds += cost.frozen_operations > 0 ? cost.frozen_operations / rate(usual_width) : 0;
      }
      add_cost(arm, stage.kind(), seconds, cost);
      if (stage.kind() == "sample" && stage.network_calls) {
        for (const StageNode& other : arm.stages) {
          if (other.kind() == "train" && other.parametrisation) {
            std::snprintf(row, sizeof row, "%s asks networks %.0f times for an image of %s\n",
                          stage.text.name.c_str(), stage.network_calls(*other.parametrisation),
                          arm.name.c_str());
            notes += row;
          }
        }
      }
    }
  }
  std::snprintf(row, sizeof row, "%-10s %-10s %10s %10s %10s\n", "arm", "stage", "time", "memory",
                "disk");
  text.insert(0, row);
  text += "\ntotal" + std::string(all_known ? "" : " without the stages marked ?") + ": " +
          detail::duration_text(total) + ", at most " + size_text(memory) + " at once, " +
          size_text(disk) + " on disk\n" + notes + detail::files_text(driver, sections);
  std::snprintf(row, sizeof row,
                "\nmeasured on %s: float32 matrix products of the networks' own widths over 0.3 s "
                "each; networks are taken to reach %.0f %% of that rate\n",
                device.c_str(), 100 * reached);
  return text + row;
}
D2C_COMPILED_ONCE(std::string plan_text<>(const Driver&, const Sections&, const Backend&,
                                          const std::string&))

} // namespace d2c
