#pragma once
/// The files that an arm's stages read, with their sizes: what describe and plan list.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <d2c/app/arm.hpp>
#include <d2c/attach/attach_config.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/models/published_weights.hpp>
#include <d2c/score/score_config.hpp>
#include <d2c/train/pretrained_config.hpp>

namespace d2c {

/// One file, or the folder of a data set.
struct NeededFile {
  std::string key;  ///< where it is named, "[data] root"
  std::string what; ///< as published
  std::string path; ///< what the configuration says; empty: nothing yet
  double bytes = 0; ///< of what is read of it, in float32; 0: not known

  [[nodiscard]] bool is_there() const {
    std::error_code ignored;
    return !path.empty() && std::filesystem::exists(path, ignored);
  }
};

/// "4.9 GB", in powers of ten.
inline std::string size_text(double bytes) {
  char text[32];
  if (bytes < 999.5e6) {
    std::snprintf(text, sizeof text, "%.0f MB", bytes / 1e6);
  } else {
    std::snprintf(text, sizeof text, "%.1f GB", bytes / 1e9);
  }
  return text;
}

/// Files of the data set, of frozen networks and of a scorer with published weights, in the order
/// of the stages. Files that Python packages carry are not among them.
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
    const std::string& reference = sections.get<EvaluateConfig>().reference;
    if (stage.kind() == "evaluate" && !reference.empty()) {
      list.push_back({"[evaluate] reference", "reference batch of held-out images", reference});
    }
  }
  return list;
}

} // namespace d2c
