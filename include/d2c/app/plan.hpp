#pragma once
/// What `plan` prints: predicted time, memory and disk per stage, from a measured matrix product
/// and the arithmetic of the networks. A prediction to decide by, not a promise.

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include <d2c/app/backend.hpp>
#include <d2c/app/driver.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/models/parameter_list.hpp>
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
  double operations = -1;
  double memory_bytes = -1;
  double disk_bytes = -1;
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

inline std::int64_t kept_images(const Arm& arm, const Sections& sections) {
  const std::int64_t pinned = pinned_per_class(arm);
  return arm.facts.classes * (pinned > 0 ? pinned : sections.get<SelectConfig>().per_class);
}

/// Operations of one image through the DINOv2 that the name of a policy holds ("DINOv2L",
/// "OnGrid<DINOv2, 32>").
inline double dinov2_operations(std::string_view policy) {
  const auto holds = [&](std::string_view text) {
    return policy.find(text) != std::string_view::npos;
  };
  const DINOv2Shape shape = holds("DINOv2S")   ? dinov2_shapes::S
                            : holds("DINOv2L") ? dinov2_shapes::L
                            : holds("DINOv2g") ? dinov2_shapes::g
                                               : dinov2_shapes::B;
  int grid = 16;
  if (const auto at = policy.find("OnGrid<"); at != std::string_view::npos) {
    const auto comma = policy.find(", ", at);
    if (comma != std::string_view::npos) {
      std::from_chars(policy.data() + comma + 2, policy.data() + policy.size(), grid);
    }
  }
  return shape.operations(grid * grid);
}

/// Operations of one image through the vision encoders whose arithmetic is known.
inline double encoder_operations(const StageNode& stage, double side) {
  for (const std::string_view policy : stage.text.policies) {
    if (policy.find("EfficientNetLite0") != std::string_view::npos) {
      return 0.8e9 * side * side / (224.0 * 224.0); // 407 million multiply-adds at 224
    }
    if (policy.find("DINOv2") != std::string_view::npos) {
      return dinov2_operations(policy);
    }
    if (policy.find("Inception") != std::string_view::npos ||
        policy.find("FID") != std::string_view::npos || policy == "KID") {
      return 11.4e9; // 5.7 thousand million multiply-adds at 299
    }
  }
  return -1;
}

/// Parameters with gradient, two moments and average; activations of a training batch.
inline double training_memory(const NetworkShape& shape, double batch) {
  const auto parameters = static_cast<double>(parameter_count(shape));
  const double tokens = shape.sequence();
  const double per_block = tokens * shape.size.width * (10.0 + 2.0 * shape.size.mlp_ratio) +
                           2.0 * shape.size.heads * tokens * tokens;
  return 4 * (5 * parameters + batch * shape.size.depth * per_block);
}

} // namespace detail

/// What one stage will cost. `train_images` and `test_images` are the sizes of the data set.
inline StageCost stage_cost(const Arm& arm, const StageNode& stage, const Sections& sections,
                            double train_images, double test_images) {
  const double model_bytes =
      4.0 * arm.facts.latent_channels * arm.facts.latent_height * arm.facts.latent_width;
  StageCost cost;
  if (stage.kind() == "score" && stage.network) {
    const auto& score = sections.get<ScoreConfig>();
    const double forward = forward_operations(*stage.network);
    const double steps = trains_scorer(score) ? static_cast<double>(score.steps) : 0;
    cost.operations = 3 * forward * steps * static_cast<double>(score.batch) +
                      forward * train_images * static_cast<double>(score.columns);
    cost.memory_bytes = detail::training_memory(*stage.network, static_cast<double>(score.batch)) +
                        train_images * model_bytes / 4;
    cost.disk_bytes = train_images * (4.0 * static_cast<double>(score.columns) + 48) +
                      (steps > 0 ? 16.0 * static_cast<double>(parameter_count(*stage.network)) : 0);
  } else if (stage.kind() == "select") {
    cost.operations = 0;
    cost.memory_bytes = train_images * 64;
    cost.disk_bytes = static_cast<double>(detail::kept_images(arm, sections)) * 64;
  } else if (stage.kind() == "attach") {
    const auto kept = static_cast<double>(detail::kept_images(arm, sections));
    const double each = detail::encoder_operations(stage, 112);
    cost.operations = each < 0 ? -1 : kept * each;
    const double tokens = 4.0 * arm.facts.visual_tokens * arm.facts.visual_width;
    cost.disk_bytes = kept * (tokens + model_bytes);
    cost.memory_bytes = cost.disk_bytes;
  } else if (stage.kind() == "train" && stage.network && !stage.trains()) {
    const auto bytes = 4.0 * static_cast<double>(parameter_count(*stage.network));
    cost = {.operations = 0, .memory_bytes = bytes, .disk_bytes = 2 * bytes};
  } else if (stage.kind() == "train" && stage.network) {
    const auto& train = sections.get<TrainConfig>();
    const auto batch = static_cast<double>(train.batch);
    const auto parameters = static_cast<double>(parameter_count(*stage.network));
    cost.operations =
        3 * forward_operations(*stage.network) * batch * static_cast<double>(train.steps);
    cost.memory_bytes = detail::training_memory(*stage.network, batch);
    cost.disk_bytes = 16 * parameters * static_cast<double>(1 + train.keep_checkpoints);
  } else if (stage.kind() == "sample") {
    const auto& sample = sections.get<SampleConfig>();
    for (const StageNode& other : arm.stages) {
      if (other.kind() == "train" && other.network) {
        const double guided =
            sample.guidance == 1.0 ? 1 : 1 + sample.guidance_high - sample.guidance_low;
        const double images = static_cast<double>(sample.images_per_class) * arm.facts.classes;
        cost.operations = forward_operations(*other.network) * images *
                          static_cast<double>(sample.steps) * guided;
        cost.memory_bytes =
            4.0 * static_cast<double>(parameter_count(*other.network)) + 8 * images * model_bytes;
        cost.disk_bytes = images * model_bytes;
      }
    }
  } else if (stage.kind() == "evaluate") {
    const auto& evaluate = sections.get<EvaluateConfig>();
    const double images =
        test_images + static_cast<double>(detail::kept_images(arm, sections)) +
        static_cast<double>(sections.get<SampleConfig>().images_per_class) * arm.facts.classes;
    const double each = detail::encoder_operations(stage, static_cast<double>(evaluate.resolution));
    cost.operations = each < 0 ? -1 : images * each;
    cost.memory_bytes = images * 1280 * 4;
    cost.disk_bytes = 1e6;
  }
  return cost;
}

/// The table of all arms; stages that arms share and stages that are finished cost nothing more.
template <class = Once>
std::string plan_text(const Driver& driver, const Sections& sections, const Backend& backend,
                      const std::string& device) {
  constexpr double reached = 0.4;
  std::string text;
  char row[200];
  std::vector<std::string> seen;
  double total = 0;
  double disk = 0;
  double memory = 0;
  bool all_known = true;
  for (const Arm& arm : driver.arms()) {
    const auto images = [&](Split split) {
      return arm.needs_images() ? static_cast<double>(arm.image_count(split)) : 0.0;
    };
    const double train_images = images(Split::train);
    const double test_images = images(Split::test);
    for (const StageNode& stage : arm.stages) {
      if (!stage.run) {
        continue;
      }
      const std::string place = stage.kind() + "-" + stage.key;
      if (std::find(seen.begin(), seen.end(), place) != seen.end()) {
        std::snprintf(row, sizeof row, "%-10s %-10s shared with an arm above\n", arm.name.c_str(),
                      stage.kind().c_str());
        text += row;
        continue;
      }
      seen.push_back(place);
      if (const auto record = driver.finished(stage)) {
        std::snprintf(row, sizeof row, "%-10s %-10s finished earlier in %.1f s\n", arm.name.c_str(),
                      stage.kind().c_str(), record->seconds);
        text += row;
        continue;
      }
      const StageCost cost = stage_cost(arm, stage, sections, train_images, test_images);
      std::string seconds = "?";
      if (cost.operations >= 0) {
        const NetworkShape shape = stage.network.value_or(NetworkShape{.size = {1, 512, 1, 2}});
        const double rate = reached * backend.matrix_product_rate(device, 3136, shape.size.width,
                                                                  4 * shape.size.width, 0.3);
        const double estimate = cost.operations / rate;
        total += estimate;
        std::snprintf(row, sizeof row, "%.0f", estimate);
        seconds = row;
      } else {
        all_known = false;
      }
      memory = std::max(memory, cost.memory_bytes);
      disk += std::max(0.0, cost.disk_bytes);
      const auto megabytes = [](double bytes) {
        return bytes < 0 ? std::string("?") : std::to_string(static_cast<long>(bytes / 1e6) + 1);
      };
      std::snprintf(row, sizeof row, "%-10s %-10s %10s %12s %10s\n", arm.name.c_str(),
                    stage.kind().c_str(), seconds.c_str(), megabytes(cost.memory_bytes).c_str(),
                    megabytes(cost.disk_bytes).c_str());
      text += row;
    }
  }
  std::snprintf(row, sizeof row, "%-10s %-10s %10s %12s %10s\n", "arm", "stage", "seconds",
                "memory (MB)", "disk (MB)");
  text.insert(0, row);
  std::snprintf(row, sizeof row, "\ntotal%s: %.0f s, at most %.0f MB at once, %.0f MB on disk\n",
                all_known ? "" : " without the stages marked ?", total, memory / 1e6, disk / 1e6);
  text += row;
  std::snprintf(row, sizeof row,
                "\nmeasured on %s: float32 matrix products of the networks' own widths over 0.3 s "
                "each; networks are taken to reach %.0f %% of that rate\n",
                device.c_str(), 100 * reached);
  return text + row;
}
D2C_COMPILED_ONCE(std::string plan_text<>(const Driver&, const Sections&, const Backend&,
                                          const std::string&))

} // namespace d2c
