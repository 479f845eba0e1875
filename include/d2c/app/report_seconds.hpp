#pragma once
/// The report's section on where the time went.

#include <algorithm>
#include <string>
#include <vector>

#include <d2c/app/report_input.hpp>
#include <d2c/app/svg_chart.hpp>

namespace d2c::report {

/// Seconds of every stage, once for all arms that share it.
inline std::string seconds_section(const ReportInput& input) {
  std::vector<std::string> labels;
  std::vector<double> values;
  for (const StageSeconds& stage : input.seconds) {
    std::string arms;
    for (const std::string& arm : stage.arms) {
      arms += (arms.empty() ? "" : ", ") + arm;
    }
    labels.push_back(stage.kind + (arms.empty() ? "" : " (" + arms + ")") +
                     (stage.reused ? " *" : ""));
    values.push_back(stage.seconds);
  }
  std::string out = "<h2>Where the time went</h2>\n" +
                    svg::bar_chart("Seconds by stage", labels, values, "s") +
                    "<p class=\"note\">This call took " + svg::number(input.wall_seconds) + " s.";
  if (std::ranges::any_of(input.seconds, [](const StageSeconds& stage) { return stage.reused; })) {
    out += " * finished in an earlier call and taken from there.";
  }
  return out + "</p>\n";
}

} // namespace d2c::report
