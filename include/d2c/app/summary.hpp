#pragma once
/// The result of a run for programs (summary.json) and for people (the table at the end).

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/app/report_input.hpp>
#include <d2c/app/result_columns.hpp>
#include <d2c/app/stage_order.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>

namespace d2c {

/// The content of summary.json: below "arms" the images, steps, frechet, precision, recall, copies
/// and other numbers of each arm, as far as its evaluation has them; below "seconds" each kind of
/// stage and the total, with a stage counted once however many arms share it; "stages" with what
/// was reused; and the "wall_seconds" of this call.
template <class = Once>
nlohmann::ordered_json make_summary(const ReportInput& run,
                                    const std::vector<std::int64_t>& steps) {
  nlohmann::ordered_json summary;
  summary["name"] = run.name;
  for (std::size_t i = 0; i < run.arms.size(); ++i) {
    const ReportArm& arm = run.arms[i];
    nlohmann::ordered_json numbers = nlohmann::ordered_json::object();
    if (const auto metrics = arm.artifacts.find("Metrics"); metrics != arm.artifacts.end()) {
      const auto path = metrics->second / "metrics.json";
      std::ifstream in(path);
      try {
        numbers = nlohmann::ordered_json::parse(in);
      } catch (const nlohmann::json::exception&) {
        throw Failure("cannot read " + path.string() + ": expected the metrics as JSON");
      }
    }
    if (!numbers.contains("images")) {
      if (const auto subset = arm.artifacts.find("Subset"); subset != arm.artifacts.end()) {
        std::ifstream in(subset->second / "subset.csv");
        const auto rows = std::count(std::istreambuf_iterator<char>(in), {}, '\n');
        if (rows > 0) {
          numbers["images"] = rows - 1;
        }
      }
    }
    if (steps[i] > 0) {
      numbers["steps"] = steps[i];
    }
    summary["arms"][arm.name] = std::move(numbers);
  }
  double total = 0;
  for (const std::string_view kind : stage_kinds) {
    double seconds = 0;
    bool any = false;
    for (const StageSeconds& stage : run.seconds) {
      if (stage.kind == kind) {
        seconds += stage.seconds;
        any = true;
      }
    }
    if (any) {
      summary["seconds"][std::string(kind)] = seconds;
    }
  }
  for (const StageSeconds& stage : run.seconds) {
    total += stage.seconds;
    summary["stages"].push_back({{"kind", stage.kind},
                                 {"stage", stage.stage},
                                 {"arms", stage.arms},
                                 {"seconds", stage.seconds},
                                 {"reused", stage.reused}});
  }
  summary["seconds"]["total"] = total;
  summary["wall_seconds"] = run.wall_seconds;
  return summary;
}
D2C_COMPILED_ONCE(nlohmann::ordered_json make_summary<>(const ReportInput&,
                                                        const std::vector<std::int64_t>&))

/// One row per arm, one column per number that an arm has, "-" where another has none; then the
/// seconds.
template <class = Once>
std::string summary_table(const nlohmann::ordered_json& summary) {
  const std::vector<ResultColumn> columns = result_columns(summary.at("arms"));
  std::string text;
  char cell[48];
  const auto add = [&](const char* format, const auto&... values) {
    std::snprintf(cell, sizeof cell, format, values...);
    text += cell;
  };
  std::size_t widest = 3;
  for (const auto& [arm, numbers] : summary.at("arms").items()) {
    widest = std::max(widest, arm.size());
  }
  const auto first = [&](const std::string& name) {
    text += name + std::string(widest - name.size(), ' ');
  };
  first("arm");
  const auto width = [](const ResultColumn& column) {
    return static_cast<int>(std::max<std::size_t>(9, column.key.size()));
  };
  for (const ResultColumn& column : columns) {
    add("  %*s", width(column), std::string(column.key).c_str());
  }
  for (const auto& [arm, numbers] : summary.at("arms").items()) {
    text += '\n';
    first(arm);
    for (const ResultColumn& column : columns) {
      const auto found = numbers.find(column.key);
      if (found == numbers.end() || !found->is_number()) {
        add("  %*s", width(column), "-");
      } else if (found->is_number_integer()) {
        add("  %*lld", width(column), found->template get<long long>());
      } else {
        const double value = found->template get<double>();
        add(value >= 10 ? "  %*.1f" : "  %*.4f", width(column), value);
      }
    }
  }
  text += "\n\nseconds:";
  for (const auto& [kind, seconds] : summary.at("seconds").items()) {
    add("  %s %.1f", kind.c_str(), seconds.template get<double>());
  }
  return text + "\n";
}
D2C_COMPILED_ONCE(std::string summary_table<>(const nlohmann::ordered_json&))

} // namespace d2c
