#pragma once
/// What `plan` prints: predicted time, memory and disk per stage, from a measured matrix product
/// and the arithmetic of the networks, and the files to get. A prediction to decide by, not a
/// promise.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <d2c/app/backend.hpp>
#include <d2c/app/driver.hpp>
#include <d2c/app/needed_files.hpp>
#include <d2c/app/plain_numbers.hpp>
#include <d2c/app/stage_cost.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/latent_cache.hpp>
#include <d2c/data/prepare_config.hpp>
#include <d2c/sample/network_calls.hpp>

namespace d2c {

namespace detail {

/// The rows of the plan, what they sum up to, and notes below them.
class PlanTable {
public:
  void row(const Arm& arm, const std::string& kind, const std::string& what) {
    char line[300];
    std::snprintf(line, sizeof line, "%-10s %-10s %s\n", arm.name.c_str(), kind.c_str(),
                  what.c_str());
    rows_ += line;
  }

  /// Negative seconds: not known.
  void cost(const Arm& arm, const std::string& kind, double seconds, const StageCost& cost) {
    memory_ = std::max(memory_, cost.memory_bytes);
    disk_ += cost.disk_bytes;
    seconds_ += std::max(0.0, seconds);
    all_known_ = all_known_ && seconds >= 0;
    char numbers[100];
    std::snprintf(numbers, sizeof numbers, "%10s %10s %10s",
                  seconds < 0 ? "?" : duration_text(seconds).c_str(),
                  size_text(cost.memory_bytes).c_str(), size_text(cost.disk_bytes).c_str());
    row(arm, kind, numbers);
  }

  void note(const std::string& line) { notes_ += line; }

  [[nodiscard]] std::string text() const {
    char heading[100];
    std::snprintf(heading, sizeof heading, "%-10s %-10s %10s %10s %10s\n", "arm", "stage", "time",
                  "memory", "disk");
    return heading + rows_ + "\ntotal" + (all_known_ ? "" : " without the stages marked ?") + ": " +
           duration_text(seconds_) + ", at most " + size_text(memory_) + " at once, " +
           size_text(disk_) + " on disk\n" + notes_;
  }

private:
  std::string rows_;
  std::string notes_;
  double seconds_ = 0;
  double memory_ = 0; ///< of the largest stage
  double disk_ = 0;
  bool all_known_ = true;
};

/// Fills the table arm by arm; what arms share is counted for the first of them.
class Planner {
public:
  static constexpr double reached = 0.4; ///< share of the measured rate that networks reach

  Planner(const Driver& driver, const Sections& sections, const Backend& backend,
          const std::string& device)
      : driver_{driver}, sections_{sections}, backend_{backend}, device_{device} {}

  void add(const Arm& arm) {
    const ImageCounts images = image_counts(arm, sections_);
    add_preparation(arm, images);
    add_latents(arm, images);
    for (const StageNode& stage : arm.stages) {
      if (stage.run) {
        add_stage(arm, stage, images);
      }
    }
  }

  [[nodiscard]] const PlanTable& table() const { return table_; }

private:
  static constexpr std::int64_t usual_width = 512; ///< of networks that have none of their own here

  void add_preparation(const Arm& arm, const ImageCounts& images) {
    constexpr double preparing = 3e-3; // seconds that one core takes to decode and crop an image
    if (!arm.preparation || !arm.needs_images() || arm.preparation->is_finished(Split::train) ||
        !first_time(arm.preparation->folder(Split::train).string())) {
      return;
    }
    const double pixels = 1.0 * arm.size.channels * arm.size.height * arm.size.width;
    const double all = images.train + (arm.needs_test_images(sections_) ? images.held_out : 0);
    const double shard = static_cast<double>(sections_.get<PrepareConfig>().shard_images);
    table_.cost(arm, "prepare", all * preparing / driver_.threads(),
                {.memory_bytes = 2.0 * shard * pixels, .disk_bytes = all * pixels});
  }

  void add_latents(const Arm& arm, const ImageCounts& images) {
    const std::filesystem::path cache = sections_.get<DataConfig>().latent_cache;
    if (!arm.make_latents || LatentCache{cache}.is_finished() || !first_time(cache.string())) {
      return;
    }
    const StageCost cost = latent_cache_cost(arm, images);
    table_.cost(arm, "latents", cost.frozen_operations / rate(usual_width), cost);
  }

  void add_stage(const Arm& arm, const StageNode& stage, const ImageCounts& images) {
    if (!first_time(stage.kind() + "-" + stage.key)) {
      table_.row(arm, stage.kind(), "shared with an arm above");
      return;
    }
    if (const auto record = driver_.finished(stage)) {
      char text[100];
      std::snprintf(text, sizeof text, "finished earlier in %.1f s", record->seconds);
      table_.row(arm, stage.kind(), text);
      return;
    }
    const StageCost cost = stage_cost(arm, stage, sections_, images);
    table_.cost(arm, stage.kind(), seconds(stage, cost), cost);
    note_network_calls(arm, stage);
  }

  /// Negative: not known.
  double seconds(const StageNode& stage, const StageCost& cost) {
    if (cost.operations < 0 || cost.frozen_operations < 0) {
      return -1;
    }
    const std::int64_t width = stage.network ? stage.network->size.width : usual_width;
    const double own = cost.operations > 0 ? cost.operations / rate(width) : 0;
    return own + (cost.frozen_operations > 0 ? cost.frozen_operations / rate(usual_width) : 0);
  }

  void note_network_calls(const Arm& arm, const StageNode& stage) {
    if (stage.kind() != "sample" || !stage.network_calls) {
      return;
    }
    for (const StageNode& other : arm.stages) {
      if (other.kind() == "train" && other.parametrisation) {
        char line[300];
        std::snprintf(line, sizeof line, "%s asks networks %.0f times for an image of %s\n",
                      stage.text.name.c_str(), stage.network_calls(*other.parametrisation),
                      arm.name.c_str());
        table_.note(line);
      }
    }
  }

  /// Operations per second of networks of that width; each width is measured once.
  double rate(std::int64_t width) {
    const auto [found, fresh] = rates_.try_emplace(width, 0);
    if (fresh) {
      found->second = reached * backend_.matrix_product_rate(device_, 3136, width, 4 * width, 0.3);
    }
    return found->second;
  }

  bool first_time(const std::string& place) {
    const bool fresh = std::find(seen_.begin(), seen_.end(), place) == seen_.end();
    seen_.push_back(place);
    return fresh;
  }

  const Driver& driver_;
  const Sections& sections_;
  const Backend& backend_;
  const std::string& device_;
  PlanTable table_;
  std::vector<std::string> seen_;
  std::map<std::int64_t, double> rates_;
};

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
  detail::Planner planner{driver, sections, backend, device};
  for (const Arm& arm : driver.arms()) {
    planner.add(arm);
  }
  char measured[300];
  std::snprintf(measured, sizeof measured,
                "\nmeasured on %s: float32 matrix products of the networks' own widths over 0.3 s "
                "each; networks are taken to reach %.0f %% of that rate\n",
                device.c_str(), 100 * detail::Planner::reached);
  return planner.table().text() + detail::files_text(driver, sections) + measured;
}
D2C_COMPILED_ONCE(std::string plan_text<>(const Driver&, const Sections&, const Backend&,
                                          const std::string&))

} // namespace d2c
