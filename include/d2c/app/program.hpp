#pragma once
/// The body of every d2c program: arguments to configuration to arms to the asked command. Free of
/// tensors; app/run.hpp adds them.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/app/arm.hpp>
#include <d2c/app/backend.hpp>
#include <d2c/app/command_line.hpp>
#include <d2c/app/describe.hpp>
#include <d2c/app/driver.hpp>
#include <d2c/app/exit_code.hpp>
#include <d2c/app/plan.hpp>
#include <d2c/app/report_input.hpp>
#include <d2c/app/run_config.hpp>
#include <d2c/app/stage_order.hpp>
#include <d2c/app/standard_sections.hpp>
#include <d2c/app/summary.hpp>
#include <d2c/config/load.hpp>
#include <d2c/config/read.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/file_hashes.hpp>
#include <d2c/core/pipeline.hpp>
#include <d2c/core/type_list.hpp>
#if !defined(D2C_USES_COMPILED)
#include <d2c/app/parse_command_line.hpp>
#endif

namespace d2c {

/// What a program has besides its pipelines.
struct ProgramParts {
  const Backend& backend;
  std::function<void(const ReportInput&)> write_report; ///< empty: no report
  /// Writes a checkpoint's denoiser for published code into a folder; returns the files.
  std::function<std::vector<std::filesystem::path>(const std::filesystem::path& checkpoint,
                                                   const std::filesystem::path& folder)>
      export_denoiser = {};
  std::FILE* out = stdout;
  std::FILE* err = stderr;
};

namespace detail {

template <class P>
void collect_fixed_keys(const ConfigFile& file, std::set<std::string>& seen, Problems& problems) {
  for_each_type(typename P::resolved_stages{}, [&]<class S>() {
    for (const std::string_view key : fixed_keys_of<S>()) {
      if (seen.insert(std::string(key)).second) {
        report_fixed(file, key, S::name(), problems);
      }
    }
  });
}

/// Loads every section, typed problems and all, and returns the effective configuration: the
/// sections that stages of this program read, without the keys that types fix.
template <class... Pipelines>
std::string load_sections(ConfigFile& file, const CommandLine& line, Sections& sections,
                          Problems& problems) {
  using Used =
      unite_t<type_list<RunConfig, DataConfig, PrepareConfig>, pipeline_sections_t<Pipelines>...>;
  std::set<std::string> fixed;
  Problems set_though_fixed;
  (collect_fixed_keys<Pipelines>(file, fixed, set_though_fixed), ...);
  std::string effective;
  for_each_type(unite_t<Used, StandardSections>{}, [&]<class Section>() {
    auto section = load<Section>(file, problems);
    if constexpr (std::is_same_v<Section, RunConfig>) {
      section.out = line.out.empty() ? section.out : line.out;
      section.device = line.device.empty() ? section.device : line.device;
    }
    if constexpr (contains_v<Used, Section>) {
      effective += (effective.empty() ? "" : "\n") + dump(section, fixed);
    }
    sections.set(std::move(section));
  });
  report_unknown(file, problems);
  problems.append(set_though_fixed);
  return effective;
}

/// What a program knows of its pipelines, without their types.
struct ProgramPipelines {
  /// Loads every section and returns the effective configuration.
  std::string (*load_sections)(ConfigFile&, const CommandLine&, Sections&, Problems&);
  std::vector<Arm> (*make_arms)(const Sections&, Problems&, const FileHashes&);
  std::vector<std::string_view> kinds; ///< of all their stages
};

template <class... Stages>
void add_kinds(type_list<Stages...>, std::vector<std::string_view>& kinds) {
  (kinds.emplace_back(Stages::kind), ...);
}

/// InputError for a command that asks for a kind of stage that no pipeline has.
inline void require_stage(const std::string& command, const std::vector<std::string_view>& kinds) {
  constexpr std::array<std::string_view, stage_kinds.size()> names = {
      "a Source",  "a Scorer",  "a Selector",  "an Attacher",
      "a Trainer", "a Sampler", "an Evaluator"};
  const int rank = stage_rank(command);
  if (rank >= 0 && std::find(kinds.begin(), kinds.end(), command) == kinds.end()) {
    throw InputError(command + ": expected a pipeline with " +
                     std::string(names[static_cast<std::size_t>(rank)]) + ", found none");
  }
}

template <class... Pipelines>
std::vector<Arm> make_arms(const Sections& sections, Problems& problems, const FileHashes& hashes) {
  std::vector<Arm> arms;
  (arms.push_back(make_arm<Pipelines>(sections, problems, hashes)), ...);
  return arms;
}

/// The configuration file with what the command line overrides; only `describe` needs no file.
[[nodiscard]] inline ConfigFile effective_file(const CommandLine& line) {
  if (line.config.empty() && line.command != "describe") {
    throw InputError("command line: expected --config FILE with the configuration, found none");
  }
  ConfigFile file;
  if (!line.config.empty()) {
    file = read_config(line.config);
  }
  for (const std::string& argument : line.overrides) {
    apply_override(file, argument);
  }
  return file;
}

/// Names the arms that have no name. InputError if two have the same.
inline void name_arms(std::vector<Arm>& arms, const RunConfig& run) {
  std::set<std::string> names;
  for (Arm& arm : arms) {
    if (arm.name.empty()) {
      arm.name = arms.size() == 1 ? run.name : "arm" + std::to_string(names.size() + 1);
    }
    if (!names.insert(arm.name).second) {
      throw InputError("arm " + arm.name + ": expected arms of distinct names, found it twice");
    }
  }
}

inline void describe_command(const std::vector<Arm>& arms, const RunConfig& run,
                             const ProgramParts& parts) {
  std::string device = run.device;
  std::string precision;
  try {
    device = parts.backend.resolve_device(run.device);
    precision = parts.backend.precision(device);
  } catch (const InputError& error) {
    precision = error.what(); // describe works on machines that cannot run what it describes
  }
  std::fputs(describe(arms, device, precision).c_str(), parts.out);
}

/// Throws InputError with all problems, those found earlier too.
inline void check_command(Driver& driver, Problems& problems, const ProgramParts& parts) {
  driver.check(problems);
  problems.raise();
  std::fputs("no problems found\n", parts.out);
}

inline void export_command(Driver& driver, const ProgramParts& parts) {
  const auto denoisers = driver.denoisers();
  driver.run("train");
  for (const auto& [checkpoint, folder] : denoisers) {
    for (const auto& written : parts.export_denoiser(checkpoint, folder)) {
      std::fprintf(parts.out, "%s\n", written.c_str());
    }
  }
}

/// Writes the report, if there is one, and shows the table and where the results lie.
inline void finish(const ReportInput& input, const nlohmann::ordered_json& summary,
                   const Driver& driver, const ProgramParts& parts) {
  if (parts.write_report) {
    parts.write_report(input);
  }
  std::fprintf(parts.out, "\n%s\n", summary_table(summary).c_str());
  const auto shown_file = parts.write_report ? "report.html" : "summary.json";
  std::fprintf(parts.out, "%s\n",
               std::filesystem::absolute(driver.folder() / shown_file).lexically_normal().c_str());
}

inline void report_command(Driver& driver, const ProgramParts& parts) {
  driver.open_run_folder();
  nlohmann::ordered_json summary;
  const ReportInput input = driver.summarise(summary);
  driver.link_results();
  finish(input, summary, driver, parts);
}

/// `run`, `prepare` or the kind of a stage. A part of a run has no results to sum up.
inline void run_command(const std::string& command, Driver& driver, const ProgramParts& parts) {
  driver.run(command);
  if (command != "run") {
    std::fprintf(parts.out, "%s\n", driver.folder().c_str());
    return;
  }
  nlohmann::ordered_json summary;
  const ReportInput input = driver.summarise(summary);
  finish(input, summary, driver, parts);
}

/// Every command but `describe`, which has no driver.
inline void driver_command(const std::string& command, Driver& driver, const Sections& sections,
                           const std::string& device, Problems& problems,
                           const ProgramParts& parts) {
  if (command == "plan") {
    parts.backend.set_threads(driver.threads());
    std::fputs(plan_text(driver, sections, parts.backend, device).c_str(), parts.out);
  } else if (command == "report") {
    report_command(driver, parts);
  } else if (command == "check") {
    check_command(driver, problems, parts);
  } else {
    driver.check(problems);
    problems.raise();
    if (command == "export") {
      export_command(driver, parts);
    } else {
      run_command(command, driver, parts);
    }
  }
}

template <class = Once>
int run_program_unguarded(int argc, const char* const* argv, const ProgramParts& parts,
                          const ProgramPipelines& pipelines) {
  std::string shown;
  const auto line = parse_command_line(argc, argv, shown);
  if (!line) {
    std::fputs(shown.c_str(), parts.out);
    return 0;
  }
  require_stage(line->command, pipelines.kinds);
  ConfigFile file = effective_file(*line);
  Problems problems;
  Sections sections;
  const std::string config = pipelines.load_sections(file, *line, sections, problems);
  problems.raise();
  const RunConfig& run = sections.get<RunConfig>();

  // Only `describe` shows nothing that depends on keys, so it alone reads none of the files.
  const FileHashes hashes =
      line->command == "describe"
          ? FileHashes{[](const std::filesystem::path&) { return std::string(); }}
          : FileHashes{};
  std::vector<Arm> arms = pipelines.make_arms(sections, problems, hashes);
  problems.raise();
  name_arms(arms, run);

  parts.backend.allow_tf32(run.tf32);
  if (line->command == "describe") {
    describe_command(arms, run, parts);
    return 0;
  }

  std::string device = "cpu";
  if (line->command == "check") {
    problems.check("", [&] { device = parts.backend.resolve_device(run.device); });
  } else {
    device = parts.backend.resolve_device(run.device);
  }
  Driver driver(std::move(arms), sections, parts.backend, device, config, line->quiet);
  if (line->resume && !std::filesystem::exists(driver.folder() / "manifest.json")) {
    throw InputError("--resume: expected a run in " + driver.folder().string() + ", found none");
  }
  driver_command(line->command, driver, sections, device, problems, parts);
  return 0;
}
D2C_COMPILED_ONCE(int run_program_unguarded<>(int, const char* const*, const ProgramParts&,
                                              const ProgramPipelines&))

} // namespace detail

/// Runs a program and returns its exit code: 0, 2 for bad input, 1 for any failure. Errors are one
/// sentence each on `parts.err`, with `error: ` in front.
template <class... Pipelines>
int run_program(int argc, const char* const* argv, const ProgramParts& parts) {
  return exit_code_of(parts.err, [&] {
    // A pipeline that is not well-formed has said so; anything built on it would only add errors.
    if constexpr ((Pipelines::well_formed && ...)) {
      std::vector<std::string_view> kinds;
      (detail::add_kinds(typename Pipelines::resolved_stages{}, kinds), ...);
      return detail::run_program_unguarded(argc, argv, parts,
                                           {.load_sections = detail::load_sections<Pipelines...>,
                                            .make_arms = detail::make_arms<Pipelines...>,
                                            .kinds = std::move(kinds)});
    } else {
      return Failure::exit_code;
    }
  });
}

} // namespace d2c
