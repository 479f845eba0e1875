#pragma once
/// What the report of a run is made from: folders and numbers, no types of stages.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <d2c/data/image_set.hpp>

namespace d2c {

/// Time one stage took, once for all arms that share it.
struct StageSeconds {
  std::string kind;              ///< "score", "train", ...
  std::string stage;             ///< type name
  std::vector<std::string> arms; ///< arms that use this very result
  double seconds = 0;            ///< of the computation, also if it ran in an earlier call
  bool reused = false;           ///< finished before this call
  std::filesystem::path folder;
};

/// One arm. `artifacts` maps artifact names ("Scores", "Subset", "CondensedPack", "Denoiser",
/// "Samples", "Metrics") to the folder with its files; a name is absent if no stage provides it.
struct ReportArm {
  std::string name;
  std::string pipeline; ///< type name
  std::filesystem::path folder;
  std::map<std::string, std::filesystem::path> artifacts;

  /// A file of an artifact; nothing where the arm has no such artifact, or the artifact no such
  /// file.
  [[nodiscard]] std::optional<std::filesystem::path> file(const std::string& artifact,
                                                          const std::string& file_name) const {
    const auto found = artifacts.find(artifact);
    if (found == artifacts.end() || !std::filesystem::exists(found->second / file_name)) {
      return std::nullopt;
    }
    return found->second / file_name;
  }
};

/// Handed to write_report(). The report is `<folder>/report.html`, `<folder>/summary.json` is
/// there.
struct ReportInput {
  std::string name;             ///< of the run
  std::filesystem::path folder; ///< of the run
  std::string config;           ///< effective configuration as TOML
  std::vector<ReportArm> arms;
  std::vector<StageSeconds> seconds; ///< in order of execution
  double wall_seconds = 0;           ///< of this call
  ImageLoader images;                ///< of the first arm with a data set; may be empty
};

} // namespace d2c
