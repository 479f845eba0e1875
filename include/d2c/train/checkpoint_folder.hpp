#pragma once
/// Names and housekeeping of the checkpoints in a folder. Torch-free.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace d2c {

/// The folder of one training run: `step-0000500.safetensors` after 500 updates,
/// `final.safetensors` at the end.
class CheckpointFolder {
public:
  explicit CheckpointFolder(std::filesystem::path folder) : folder_{std::move(folder)} {}

  [[nodiscard]] std::filesystem::path final() const { return folder_ / "final.safetensors"; }

  [[nodiscard]] std::filesystem::path step(std::int64_t step) const {
    char name[48];
    std::snprintf(name, sizeof name, "step-%07lld.safetensors", static_cast<long long>(step));
    return folder_ / name;
  }

  /// Steps of all step checkpoints, ascending.
  [[nodiscard]] std::vector<std::int64_t> steps() const {
    std::vector<std::int64_t> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("step-") && name.ends_with(".safetensors")) {
        const std::string digits = name.substr(5, name.size() - 5 - 12);
        if (!digits.empty() && digits.size() < 19 &&
            digits.find_first_not_of("0123456789") == std::string::npos) {
          found.push_back(std::stoll(digits));
        }
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  /// Removes all but the newest `keep` step checkpoints (0: none is removed).
  void keep_newest(std::int64_t keep) const {
    const std::vector<std::int64_t> all = steps();
    const auto count = static_cast<std::int64_t>(all.size());
    for (std::int64_t i = 0; keep > 0 && i < count - keep; ++i) {
      std::filesystem::remove(step(all[static_cast<std::size_t>(i)]));
    }
  }

  /// Removes what a killed process left half-written. Only for the one process that writes here.
  void remove_leftovers() const {
    std::vector<std::filesystem::path> leftovers;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      if (entry.path().filename().string().find(".tmp-") != std::string::npos) {
        leftovers.push_back(entry.path());
      }
    }
    for (const auto& path : leftovers) {
      std::filesystem::remove(path);
    }
  }

private:
  std::filesystem::path folder_;
};

} // namespace d2c
