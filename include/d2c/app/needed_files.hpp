#pragma once
/// The files that an arm's stages read, with their sizes: what describe and plan list.

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <d2c/app/arm.hpp>
#include <d2c/attach/attach_config.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/io/shard_index.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/models/published_weights.hpp>
#include <d2c/sample/sample_config.hpp>
#include <d2c/score/score_config.hpp>
#include <d2c/train/pretrained_config.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// One file, or the folder of a data set.
struct NeededFile {
  std::string key;  ///< where it is named, "[data] root"
  std::string what; ///< as published
  std::string path; ///< what the configuration says; empty: nothing yet
  double bytes = 0; ///< of what is read of it, in float32; 0: not known

  /// Of an index: whether its shards are there as well.
  [[nodiscard]] bool is_there() const {
    std::error_code ignored;
    if (path.empty() || !std::filesystem::exists(path, ignored)) {
      return false;
    }
    if (!ShardIndex::is_index(path)) {
      return true;
    }
    try {
      const auto shards = ShardIndex{path}.shards();
      return std::all_of(shards.begin(), shards.end(), [&](const std::filesystem::path& shard) {
        return std::filesystem::exists(shard, ignored);
      });
    } catch (const InputError&) {
      return false; // what is wrong with it, check says
    }
  }
};

/// Files of the data set, of frozen networks, of a scorer with published weights and of what a run
/// begins with, in the order of the stages. Files that Python packages carry are not among them.
inline std::vector<NeededFile> needed_files(const Arm& arm, const Sections& sections) {
  std::vector<NeededFile> list;
  if (arm.preparation && arm.needs_images()) {
    std::string what = "folder of " + arm.dataset;
    if (arm.published[0] > 0) {
      what += ", " + std::to_string(arm.published[0]) +
              (arm.needs_test_images(sections) ? " and " + std::to_string(arm.published[1]) : "") +
              " images";
    }
    list.push_back({"[data] root", what, sections.get<DataConfig>().root});
  }
  const auto add_configured = [&](const char* key, const char* what, const std::string& path,
                                  double bytes = 0) {
    if (!path.empty()) {
      list.push_back({key, what, path, bytes});
    }
  };
  if (arm.begins_with_pack()) {
    list.push_back({"[data] pack", "condensed pack", sections.get<DataConfig>().pack});
  }
  for (const StageNode& stage : arm.stages) {
    if (stage.kind() == "score" && stage.network) {
      const std::string& path = sections.get<ScoreConfig>().checkpoint;
      const std::string published{published_weights(*stage.network)};
      if (path != "scratch" && !(path.empty() && published.empty())) {
        list.push_back({"[score] checkpoint",
                        published.empty() ? "weights of the scorer" : published, path,
                        4.0 * static_cast<double>(parameter_count(*stage.network))});
      }
    }
    if (stage.kind() == "train" && stage.network && !stage.trains()) {
      const std::string published{published_weights(*stage.network)};
      list.push_back({"[pretrained] weights",
                      published.empty() ? "weights of the denoiser" : published,
                      sections.get<PretrainedConfig>().weights,
                      4.0 * static_cast<double>(parameter_count(*stage.network))});
    }
    if (stage.kind() == "train" && stage.network && stage.trains()) {
      add_configured("[train] initial_weights", "weights to begin with",
                     sections.get<TrainConfig>().initial_weights,
                     4.0 * static_cast<double>(parameter_count(*stage.network)));
    }
    if (stage.kind() == "sample") {
      add_configured("[sample] guide_checkpoint", "denoiser to guide by",
                     sections.get<SampleConfig>().guide_checkpoint);
    }
    for (const FrozenNetwork& network : stage.frozen) {
      if (!network.cost.file.empty()) {
        list.push_back({network.key, network.name + ": " + network.cost.file, network.path,
                        4.0 * static_cast<double>(network.cost.parameters)});
      }
      if (network.use == FrozenNetwork::Use::text && !network.cost.vocabulary.empty()) {
        list.push_back({"[attach] text_vocabulary", network.name + ": " + network.cost.vocabulary,
                        sections.get<AttachConfig>().text_vocabulary});
      }
    }
    for (const std::filesystem::path& file : stage.companions) {
      const std::string place =
          (file.parent_path().filename() / file.filename()).string(); // "2_Dense/config.json"
      list.push_back({"beside the weights", place, file.string()});
    }
    if (stage.kind() == "evaluate") {
      add_configured("[evaluate] reference", "reference batch of held-out images",
                     sections.get<EvaluateConfig>().reference);
    }
  }
  return list;
}

} // namespace d2c
