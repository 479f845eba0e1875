#pragma once
/// The parser of the command line, by CLI11: a header that alone costs more than our own, so what
/// links the compiled library does without.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include <d2c/app/command_line.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/version.hpp>

namespace d2c {

template <class /* Once */>
std::optional<CommandLine> parse_command_line(int argc, const char* const* argv,
                                              std::string& shown) {
  CommandLine line;
  CLI::App app{"Diffusion dataset condensation: select, attach, train, judge.",
               argc > 0 ? argv[0] : "d2c"};
  app.set_version_flag("--version", "d2c " + std::string(version));
  app.add_option("--config", line.config, "configuration in TOML")->type_name("FILE");
  app.add_option("--set", line.overrides, "overrides one key, may be repeated")
      ->type_name("SECTION.KEY=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false)
      ->trigger_on_parse(false);
  app.add_option("--out", line.out, "folder of all runs, instead of [run] out")->type_name("DIR");
  app.add_option("--device", line.device, "cpu, cuda or cuda:N, instead of [run] device")
      ->type_name("DEVICE");
  app.add_flag("--resume", line.resume, "refuse to begin a run that does not exist yet");
  app.add_flag("--quiet", line.quiet, "no progress, only results and errors");
  const std::vector<std::pair<std::string, std::string>> commands = {
      {"run", "all stages, the table and the report (default); finished stages are not run again"},
      {"check", "all problems of configuration, files and sizes at once, without running anything"},
      {"describe",
       "the typed pipeline: stages, contracts, sizes, parameters, what Auto stands for"},
      {"plan", "predicted time, memory and disk per stage on this machine"},
      {"prepare", "decode, crop and store the images of the data set, where it is one of files"},
      {"score", "run up to and including the score"},
      {"select", "run up to and including the selection"},
      {"attach", "run up to and including the attachment"},
      {"train", "run up to and including the training"},
      {"sample", "run up to and including the samples"},
      {"evaluate", "run up to and including the evaluation"},
      {"export",
       "run up to and including the training, then write the denoiser for DiT's, SiT's and "
       "REPA's code"},
      {"report", "write table and report again; all stages must be finished"}};
  for (const auto& [name, text] : commands) {
    app.add_subcommand(name, text)->fallthrough();
  }
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    // "describe --help" shows the help of that command, then the options all commands share.
    shown = app.help();
    return {};
  } catch (const CLI::CallForVersion& asked) {
    shown = std::string(asked.what()) + "\n";
    return {};
  } catch (const CLI::ParseError& error) {
    throw InputError("command line: " + std::string(error.what()));
  }
  for (const CLI::App* command : app.get_subcommands()) {
    line.command = command->get_name();
  }
  return line;
}
D2C_COMPILED_ONCE(std::optional<CommandLine> parse_command_line<>(int, const char* const*,
                                                                  std::string&))

} // namespace d2c
