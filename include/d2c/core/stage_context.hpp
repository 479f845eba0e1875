#pragma once
/// What a stage is handed when it runs: its folder, the folders of earlier artifacts, its
/// configuration, the facts of the experiment. Torch-free; the codec is only named here.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include <d2c/core/error.hpp>
#include <d2c/core/experiment_facts.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/core/sections.hpp>
#include <d2c/data/image_set.hpp>

namespace d2c {

class Codec;      // data/codec.hpp (tensor ring)
class FileHashes; // core/file_hashes.hpp

/// Where artifacts of earlier stages lie: artifact tag name to the folder of the stage that made
/// it.
class ArtifactPaths {
public:
  void set(std::string_view artifact, std::filesystem::path folder) {
    by_name_[std::string(artifact)] = std::move(folder);
  }

  [[nodiscard]] bool has(std::string_view artifact) const {
    return by_name_.contains(std::string(artifact));
  }

  [[nodiscard]] const std::filesystem::path& at(std::string_view artifact) const {
    const auto found = by_name_.find(std::string(artifact));
    if (found == by_name_.end()) {
      throw Failure("no earlier stage left the artifact " + std::string(artifact));
    }
    return found->second;
  }

  template <class Artifact>
  [[nodiscard]] bool has() const {
    return has(Artifact::name);
  }

  template <class Artifact>
  [[nodiscard]] const std::filesystem::path& at() const {
    return at(Artifact::name);
  }

private:
  std::map<std::string, std::filesystem::path> by_name_;
};

/// Handed to run_stage(stage, context). `out` exists and is writable; what an interrupted run left
/// there is still there, so a stage can resume.
struct StageContext {
  std::filesystem::path out;
  ArtifactPaths artifacts;
  const Sections& sections;
  const ExperimentFacts& facts;
  const ImageLoader& images;
  const Codec& codec;
  std::string device; ///< "cpu" or "cuda:N"
  std::uint64_t seed = 0;
  Progress& progress;
  bool needs_images = true;           ///< whether a stage of this pipeline reads images
  bool needs_test_images = true;      ///< whether one reads the test split
  bool decodes = true;                ///< whether one shows what it has in model space
  const FileHashes* hashes = nullptr; ///< see hash_of_input

  template <class Section>
  [[nodiscard]] const Section& section() const {
    return sections.get<Section>();
  }
};

} // namespace d2c
