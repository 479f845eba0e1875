#pragma once
/// Names and housekeeping of the checkpoints in a folder. Torch-free.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/train/denoiser_file.hpp>

namespace d2c {

/// The folder of one training run: `step-0000500.safetensors` after 500 updates,
/// `final.safetensors` at the end.
class CheckpointFolder {
public:
  explicit CheckpointFolder(std::filesystem::path folder) : folder_{std::move(folder)} {}

  [[nodiscard]] std::filesystem::path final() const { return folder_ / denoiser_file_name; }

  [[nodiscard]] std::filesystem::path step(std::int64_t step) const {
    return numbered("step-", step);
  }

  /// Two averages after 500 updates: `average-0000500.safetensors`.
  [[nodiscard]] std::filesystem::path average(std::int64_t step) const {
    return numbered("average-", step);
  }

  /// Steps of all step checkpoints, ascending.
  [[nodiscard]] std::vector<std::int64_t> steps() const { return numbers("step-"); }

  /// Steps of all stored pairs of averages, ascending.
  [[nodiscard]] std::vector<std::int64_t> averages() const { return numbers("average-"); }

  /// Removes all but the newest `keep` step checkpoints (0: none is removed), and those after a
  /// multiple of `permanent` updates (0: no such).
  void keep_newest(std::int64_t keep, std::int64_t permanent = 0) const {
    std::vector<std::int64_t> passing = steps();
    std::erase_if(
        passing, [permanent](std::int64_t step) { return permanent > 0 && step % permanent == 0; });
    const auto count = static_cast<std::int64_t>(passing.size());
    for (std::int64_t i = 0; keep > 0 && i < count - keep; ++i) {
      std::filesystem::remove(step(passing[static_cast<std::size_t>(i)]));
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
  static constexpr std::string_view suffix = ".safetensors";

  [[nodiscard]] std::filesystem::path numbered(const char* prefix, std::int64_t step) const {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%07lld", static_cast<long long>(step));
    return folder_ / (std::string(prefix) + digits + std::string(suffix));
  }

  [[nodiscard]] std::vector<std::int64_t> numbers(std::string_view prefix) const {
    std::vector<std::int64_t> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(prefix) && name.ends_with(suffix)) {
        const std::string digits =
            name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
        if (!digits.empty() && digits.size() < 19 &&
            digits.find_first_not_of("0123456789") == std::string::npos) {
          found.push_back(std::stoll(digits));
        }
      }
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  std::filesystem::path folder_;
};

} // namespace d2c
