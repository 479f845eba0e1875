#pragma once
/// The body of d2c-evaluate: arguments in, a table and files out.

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include <d2c/app/evaluate_command.hpp>
#include <d2c/app/exit_code.hpp>
#include <d2c/app/image_judge.hpp>
#include <d2c/app/parse_evaluate_command.hpp>
#include <d2c/app/torch_backend.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/tensor/device.hpp>

namespace d2c {

/// The numbers of ImageJudge::run for people: one line each, below what was compared.
inline std::string judged_table(const nlohmann::ordered_json& result) {
  std::string text;
  const auto line = [&](const std::string& name, const std::string& value) {
    constexpr std::size_t column = 28;
    text += name + std::string(column - std::min(column - 1, name.size()), ' ') + value + "\n";
  };
  for (const char* set : {"samples", "reference", "held_out"}) {
    if (result.contains(set)) {
      line(set, result[set]["path"].get<std::string>() + " (" +
                    std::to_string(result[set]["images"].get<long long>()) + " images)");
    }
  }
  for (const auto& network : result["networks"]) {
    line("network",
         network["name"].get<std::string>() + " (" + network["weights"].get<std::string>() + ")");
  }
  line("convention", result["convention"].get<std::string>());
  text += '\n';
  for (const auto& [name, value] : result["metrics"].items()) {
    char number[32];
    std::snprintf(number, sizeof number, "%.6g", value.get<double>());
    line(name, number);
  }
  return text;
}

/// Runs the program and returns its exit code: 0, 2 for bad input, 1 for any failure. The table
/// goes to `out`, progress and errors to `err`.
inline int evaluate_program(int argc, const char* const* argv, std::FILE* out = stdout,
                            std::FILE* err = stderr) {
  return exit_code_of(err, [&] {
    std::string shown;
    const std::optional<EvaluateCommand> command = parse_evaluate_command(argc, argv, shown);
    if (!command) {
      std::fputs(shown.c_str(), out);
      return 0;
    }
    const TorchBackend backend;
    backend.allow_tf32(false);
    if (command->threads > 0) {
      backend.set_threads(static_cast<int>(command->threads));
    }
    ImageJudge judge{*command, device_from(command->device)};
    Progress progress{command->quiet, err};
    const nlohmann::ordered_json result = judge.run(progress);
    std::fputs(judged_table(result).c_str(), out);
    std::fflush(out); // before the files: what fails there costs no number
    if (!command->json.empty()) {
      using nlohmann::ordered_json;
      write_file_atomically(
          command->json, result.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
    }
    judge.write_reference();
    return 0;
  });
}

} // namespace d2c
