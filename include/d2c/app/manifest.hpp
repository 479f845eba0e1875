#pragma once
/// manifest.json of a run: what it was made from and with, so that it can be told apart and made
/// again.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/app/arm.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/version.hpp>

namespace d2c {

/// The pipelines' type names, versions, seed, device, hashes of the configuration and of every file
/// it names, and for each stage its key, what it was made from, and its place in the store.
template <class = Once>
nlohmann::ordered_json
make_manifest(const std::vector<Arm>& arms, const RunConfig& run, const std::string& device,
              const std::string& config,
              const std::vector<std::pair<std::string, std::string>>& versions) {
  nlohmann::ordered_json manifest;
  manifest["d2c"] = version;
#if defined(__clang__)
  manifest["compiler"] = "clang " __clang_version__;
#else
  manifest["compiler"] = "g++ " __VERSION__;
#endif
  for (const auto& [library, number] : versions) {
    manifest["libraries"][library] = number;
  }
  manifest["seed"] = run.seed;
  if (run.score_seed >= 0) {
    manifest["score_seed"] = run.score_seed;
  }
  manifest["device"] = device;
  manifest["config_xxh3"] = hash_of_text(config);
  std::map<std::string, std::string> inputs;
  for (const Arm& arm : arms) {
    auto& entry = manifest["arms"][arm.name];
    entry["pipeline"] = arm.pipeline;
    for (const StageNode& stage : arm.stages) {
      inputs.insert(stage.input_files.begin(), stage.input_files.end());
      nlohmann::ordered_json made = {{"kind", stage.kind()}, {"stage", stage.text.name}};
      made["key"] = stage.key;
      made["made_from"] = stage.made_from;
      if (stage.run) {
        made["store"] = stage.kind() + "-" + stage.key;
      }
      entry["stages"].push_back(std::move(made));
    }
  }
  manifest["input_files_xxh3"] = inputs;
  return manifest;
}
D2C_COMPILED_ONCE(nlohmann::ordered_json make_manifest<>(
    const std::vector<Arm>&, const RunConfig&, const std::string&, const std::string&,
    const std::vector<std::pair<std::string, std::string>>&))

} // namespace d2c
