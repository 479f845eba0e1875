#pragma once
/// Runs the stages of all arms, each distinct stage once, and leaves the run folder. Knows stages
/// only as nodes.

#include <algorithm>
#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <d2c/app/arm.hpp>
#include <d2c/app/backend.hpp>
#include <d2c/app/manifest.hpp>
#include <d2c/app/report_input.hpp>
#include <d2c/app/stage_links.hpp>
#include <d2c/app/stage_store.hpp>
#include <d2c/app/summary.hpp>
#include <d2c/attach/condensed_file.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/leftovers.hpp>
#include <d2c/train/denoiser_file.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// One call of a program on its arms.
class Driver {
public:
  /// `device` is resolved, `config` is the effective configuration as text.
  Driver(std::vector<Arm> arms, const Sections& sections, const Backend& backend,
         std::string device, std::string config, bool quiet)
      : arms_{std::move(arms)},
        sections_{sections},
        backend_{backend},
        run_{sections.get<RunConfig>()},
        device_{std::move(device)},
        config_{std::move(config)},
        progress_{quiet},
        store_{std::filesystem::path(run_.out) / "store"},
        folder_{std::filesystem::path(run_.out) / run_.name} {}

  [[nodiscard]] const std::vector<Arm>& arms() const { return arms_; }

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }

  /// Threads of a stage that runs alone.
  [[nodiscard]] int threads() const {
    const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    return run_.threads > 0 ? run_.threads : cores;
  }

  /// Every problem of every unfinished stage, each once; nothing is made or written.
  void check(Problems& problems) {
    check_out(problems);
    std::vector<std::string> seen;
    for (const Arm& arm : arms_) {
      for (const StageNode& stage : arm.stages) {
        if (!stage.check || (stage.run && finished(stage))) {
          continue;
        }
        Problems found;
        with_context(arm, stage, progress_, [&](StageContext& context) {
          try {
            stage.check(context, found);
          } catch (const InputError& error) {
            found.add("", error.what());
          }
        });
        for (const Problem& problem : found.list()) {
          // Arms share stages and files: the same sentence once is enough.
          if (std::find(seen.begin(), seen.end(), problem.text()) == seen.end()) {
            seen.push_back(problem.text());
            problems.add(problem.where, problem.what);
          }
        }
      }
    }
  }

  /// Runs what `command` asks: all stages for "run", the preparation of images for "prepare", else
  /// the stages up to that kind. Then links the results into the run folder.
  void run(const std::string& command) {
    began_ = Clock::now();
    open_run_folder();
    const bool only_prepares = command == "prepare";
    const int last = command == "run" ? 1 << 20 : stage_rank(command);
    prepare_images(only_prepares, last);
    if (only_prepares) {
      const bool caches = make_latents(last, true);
      if (prepared_.empty() && !caches) {
        progress_.line("prepare: the images of this data set are loaded as they are");
      }
      return;
    }
    make_latents(last);
    std::map<int, std::vector<Task>> levels;
    for (const Arm& arm : arms_) {
      for (std::size_t i = 0; i < arm.stages.size(); ++i) {
        if (!arm.stages[i].run || !is_wanted(arm, i, last)) {
          continue;
        }
        auto& tasks = levels[arm.stages[i].level];
        const auto same = std::find_if(tasks.begin(), tasks.end(), [&](const Task& task) {
          return task.stage->kind() == arm.stages[i].kind() && task.stage->key == arm.stages[i].key;
        });
        if (same == tasks.end()) {
          tasks.push_back({&arm, &arm.stages[i], {}, {}});
        }
      }
    }
    for (auto& [level, tasks] : levels) {
      run_level(tasks);
      link_results();
    }
  }

  /// The checkpoint of every arm that trains or takes a denoiser, and where its exports go: the
  /// folder `exported` of the arm.
  [[nodiscard]] std::vector<std::pair<std::filesystem::path, std::filesystem::path>>
  denoisers() const {
    std::vector<std::pair<std::filesystem::path, std::filesystem::path>> all;
    for (const Arm& arm : arms_) {
      for (const StageNode& stage : arm.stages) {
        if (stage.run && contains(stage.text.provides, "Denoiser")) {
          all.emplace_back(store_.folder(stage.kind(), stage.key) / denoiser_file_name,
                           arm_folder(arm) / "exported");
        }
      }
    }
    if (all.empty()) {
      throw InputError("export: expected a pipeline with a denoiser, found none");
    }
    return all;
  }

  /// Writes summary.json from what is finished and returns what the report is made from. Failure if
  /// a stage of an arm is not finished.
  ReportInput summarise(nlohmann::ordered_json& summary) {
    ReportInput input;
    input.name = run_.name;
    input.folder = folder_;
    input.config = config_;
    if (!arms_.empty()) {
      input.images = arms_.front().images;
    }
    std::vector<std::int64_t> steps;
    for (const Arm& arm : arms_) {
      ReportArm shown{
          .name = arm.name, .pipeline = arm.pipeline, .folder = arm_folder(arm), .artifacts = {}};
      bool trains = false;
      for (const StageNode& stage : arm.stages) {
        if (!stage.run) {
          continue;
        }
        trains = trains || stage.trains();
        add_seconds(input, arm, stage);
        for (const std::string_view artifact : stage.text.provides) {
          shown.artifacts[std::string(artifact)] = store_.folder(stage.kind(), stage.key);
        }
      }
      steps.push_back(trains ? sections_.get<TrainConfig>().steps : 0);
      input.arms.push_back(std::move(shown));
    }
    input.wall_seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    summary = make_summary(input, steps);
    write_file_atomically(folder_ / "summary.json", summary.dump(2) + "\n");
    return input;
  }

  /// Makes the run folder, takes away what killed processes left in it and in the store, and writes
  /// config.toml and manifest.json. Throws InputError if it cannot be written.
  void open_run_folder() {
    StageStore::make_folder(folder_);
    remove_leftovers(folder_);
    remove_leftovers(store_.root());
    write_file_atomically(folder_ / "config.toml", config_);
    write_file_atomically(
        folder_ / "manifest.json",
        make_manifest(arms_, run_, device_, config_, backend_.versions()).dump(2) + "\n");
    for (const Arm& arm : arms_) {
      StageStore::make_folder(arm_folder(arm));
      remove_leftovers(arm_folder(arm));
    }
  }

  /// Makes the links of everything that is finished.
  void link_results() {
    for (const Arm& arm : arms_) {
      for (const StageNode& stage : arm.stages) {
        const auto made = store_.folder(stage.kind(), stage.key);
        if (!stage.run || !std::filesystem::exists(made / "done.json")) {
          continue;
        }
        for (const StageLink& link : stage_links) {
          if (contains(stage.text.provides, link.artifact)) {
            link_relative(link.file.empty() ? made : made / link.file, arm_folder(arm) / link.link);
          }
        }
      }
    }
  }

  /// The finished record of a stage, if there is a sound one.
  [[nodiscard]] std::optional<StageRecord> finished(const StageNode& stage) const {
    return store_.inspect(stage.kind(), stage.key).record;
  }

private:
  using Clock = std::chrono::steady_clock;

  struct Task {
    const Arm* arm;
    const StageNode* stage;
    std::exception_ptr error;
    std::string line;
  };

  static bool contains(const std::vector<std::string_view>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }

  [[nodiscard]] std::filesystem::path arm_folder(const Arm& arm) const {
    return arms_.size() == 1 ? folder_ : folder_ / "arms" / arm.name;
  }

  /// A stage is wanted if its kind comes no later than the asked one, or a stage of the asked kind
  /// follows it in its arm.
  static bool is_wanted(const Arm& arm, std::size_t index, int last) {
    for (std::size_t i = index; i < arm.stages.size(); ++i) {
      const int rank = stage_rank(arm.stages[i].kind());
      if ((i == index && rank >= 0 && rank <= last) || rank == last) {
        return true;
      }
    }
    return last > static_cast<int>(stage_kinds.size());
  }

  /// Prepares the training images of data sets of files, and the test images where a stage that
  /// runs judges by them and not by [evaluate] reference. `thoroughly`: for all stages, and what is
  /// there already is verified.
  void prepare_images(bool thoroughly, int last) {
    for (const Arm& arm : arms_) {
      if (!arm.preparation || !arm.needs_images()) {
        continue;
      }
      bool judges = false;
      for (std::size_t i = 0; i < arm.stages.size(); ++i) {
        judges =
            judges || (arm.needs_test_images(sections_) && arm.stages[i].kind() == "evaluate" &&
                       (thoroughly || is_wanted(arm, i, last)));
      }
      for (const Split split : {Split::train, Split::test}) {
        const auto where = arm.preparation->folder(split);
        if ((split == Split::train || judges) &&
            std::find(prepared_.begin(), prepared_.end(), where) == prepared_.end()) {
          arm.preparation->run(split, threads(), thoroughly, progress_);
          prepared_.push_back(where);
        }
      }
    }
  }

  /// Makes the cache of latents of every arm that has one and has a stage to run that maps images
  /// to model space; `always`: of every arm that has one. Returns whether there is one.
  bool make_latents(int last, bool always = false) {
    bool any = false;
    for (const Arm& arm : arms_) {
      bool encodes = always;
      for (std::size_t i = 0; i < arm.stages.size() && !encodes; ++i) {
        const StageNode& stage = arm.stages[i];
        encodes = stage.run && stage.kind() != "select" && stage.kind() != "evaluate" &&
                  contains(stage.text.needs, "Images") && is_wanted(arm, i, last) &&
                  !finished(stage);
      }
      if (arm.make_latents && encodes) {
        backend_.set_threads(threads());
        arm.make_latents(device_, progress_);
        any = true;
      }
    }
    return any;
  }

  void check_out(Problems& problems) const {
    auto nearest_folder = std::filesystem::absolute(folder_);
    std::error_code ignored;
    while (!std::filesystem::exists(nearest_folder, ignored) &&
           nearest_folder.has_relative_path()) {
      nearest_folder = nearest_folder.parent_path();
    }
    if (!std::filesystem::is_directory(nearest_folder, ignored)) {
      problems.add("[run] out", "cannot make the folder " + folder_.string() + ": " +
                                    nearest_folder.string() + " is not a folder");
    } else if (::access(nearest_folder.c_str(), W_OK) != 0) {
      problems.add("[run] out", "cannot write to the folder " + nearest_folder.string());
    }
  }

  /// Calls f with the context of a stage, whose artifacts are the folders of its makers.
  void with_context(const Arm& arm, const StageNode& stage, Progress& progress,
                    const std::function<void(StageContext&)>& f) {
    const std::shared_ptr<const Codec> codec = arm.codec(device_);
    StageContext context{.out = store_.folder(stage.kind(), stage.key),
                         .artifacts = {},
                         .sections = sections_,
                         .facts = arm.facts,
                         .images = arm.images,
                         .codec = *codec,
                         .device = device_,
                         .seed = stage.seed,
                         .progress = progress,
                         .needs_images = arm.needs_images(),
                         .needs_test_images = arm.needs_test_images(sections_),
                         .decodes = arm.decodes(),
                         .hashes = &arm.hashes};
    for (const StageNode& earlier : arm.stages) {
      if (&earlier == &stage) {
        break;
      }
      for (const std::string_view artifact : earlier.text.provides) {
        if (earlier.run) {
          context.artifacts.set(artifact, store_.folder(earlier.kind(), earlier.key));
        } else if (artifact != "Images") {
          // From<...>: the artifact lies where [data] pack says.
          const std::filesystem::path pack = sections_.get<DataConfig>().pack;
          context.artifacts.set(artifact, condensed_file(pack).parent_path());
        }
      }
    }
    f(context);
  }

  /// The tasks of one level are independent of each other: up to [run] parallel_arms run at once.
  /// How many threads each gets follows from the configuration alone, so a resumed run computes
  /// with as many as the interrupted one.
  void run_level(std::vector<Task>& tasks) {
    const int at_once = std::min(run_.parallel_arms, static_cast<int>(tasks.size()));
    const int each = std::max(1, threads() / std::max(1, at_once));
    backend_.set_threads(each);
    for (std::size_t first = 0; first < tasks.size(); first += static_cast<std::size_t>(at_once)) {
      const std::size_t end = std::min(tasks.size(), first + static_cast<std::size_t>(at_once));
      std::vector<std::thread> helpers;
      for (std::size_t i = first + 1; i < end; ++i) {
        progress_.line(tasks[i].stage->kind() + ": " + arms_of(*tasks[i].stage) + " runs beside " +
                       arms_of(*tasks[first].stage));
        helpers.emplace_back([&, i] {
          Progress silent(true); // two bars on one line would be unreadable
          backend_.set_threads(each);
          run_task(tasks[i], silent);
        });
      }
      run_task(tasks[first], progress_);
      for (std::thread& helper : helpers) {
        helper.join();
      }
      for (std::size_t i = first; i < end; ++i) {
        if (!tasks[i].line.empty()) {
          progress_.line(tasks[i].line);
        }
      }
      for (std::size_t i = first; i < end; ++i) {
        if (tasks[i].error) {
          std::rethrow_exception(tasks[i].error);
        }
      }
    }
    backend_.set_threads(threads());
  }

  void run_task(Task& task, Progress& progress) {
    try {
      task.line = run_stage_once(*task.arm, *task.stage, progress);
    } catch (...) {
      task.error = std::current_exception();
    }
  }

  /// Returns the line that reports the stage.
  std::string run_stage_once(const Arm& arm, const StageNode& stage, Progress& progress) {
    const std::string& kind = stage.kind();
    const auto where = store_.folder(kind, stage.key);
    const std::string who = kind + " (" + arms_of(stage) + ")";
    const FolderLock lock = store_.lock(kind, stage.key, [&] {
      progress.line(who + ": waiting for another process that works in " + where.string());
    });
    StageState state = store_.inspect(kind, stage.key);
    if (state.record) {
      return who + ": finished earlier in " + seconds_text(state.record->seconds) + ", " +
             where.string();
    }
    if (!state.damage.empty()) {
      // Said to everybody, also under --quiet: work is being done twice.
      std::fprintf(stderr, "%s\n", state.damage.c_str());
      store_.clear(kind, stage.key);
    }
    const auto related = store_.begin_with_related(kind, stage.key, stage.growth);
    store_.prepare(kind, stage.key);
    progress.line(who + ": " + stage.text.name +
                  (related.empty() ? "" : ", begins with the results in " + related.string()));
    const auto began = Clock::now();
    with_context(arm, stage, progress, stage.run);
    const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
    store_.finish(kind, {.stage = stage.text.name,
                         .key = stage.key,
                         .growth = stage.growth,
                         .seconds = seconds,
                         .outputs = {},
                         .made_from = stage.made_from});
    {
      const std::lock_guard guard(ran_mutex_);
      ran_.push_back(stage.key);
    }
    return who + ": done in " + seconds_text(seconds);
  }

  static std::string seconds_text(double seconds) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f s", seconds);
    return text;
  }

  /// "d2c" or "d2c and random": the arms that share this stage.
  [[nodiscard]] std::string arms_of(const StageNode& stage) const {
    std::string names;
    for (const Arm& arm : arms_) {
      for (const StageNode& own : arm.stages) {
        if (own.kind() == stage.kind() && own.key == stage.key) {
          names += (names.empty() ? "" : " and ") + arm.name;
        }
      }
    }
    return names;
  }

  void add_seconds(ReportInput& input, const Arm& arm, const StageNode& stage) const {
    const auto where = store_.folder(stage.kind(), stage.key);
    for (StageSeconds& known : input.seconds) {
      if (known.folder == where) {
        known.arms.push_back(arm.name);
        return;
      }
    }
    const StageState state = store_.inspect(stage.kind(), stage.key);
    if (!state.record) {
      throw InputError("stage " + stage.kind() + " of arm " + arm.name +
                       " is not finished, expected its result in " + where.string() +
                       ", run the pipeline first");
    }
    input.seconds.push_back({.kind = stage.kind(),
                             .stage = stage.text.name,
                             .arms = {arm.name},
                             .seconds = state.record->seconds,
                             .reused = std::find(ran_.begin(), ran_.end(), stage.key) == ran_.end(),
                             .folder = where});
  }

  std::vector<Arm> arms_;
  const Sections& sections_;
  const Backend& backend_;
  RunConfig run_;
  std::string device_;
  std::string config_;
  Progress progress_;
  StageStore store_;
  std::vector<std::filesystem::path> prepared_; ///< in this call
  std::filesystem::path folder_;
  std::vector<std::string> ran_;
  std::mutex ran_mutex_;
  Clock::time_point began_ = Clock::now();
};

} // namespace d2c
