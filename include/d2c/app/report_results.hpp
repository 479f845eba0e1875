#pragma once
/// The report's result table and what is to be said of it.

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/app/report_input.hpp>
#include <d2c/app/result_columns.hpp>
#include <d2c/app/svg_chart.hpp>

namespace d2c::report {

/// What the numbers are not.
inline std::string result_notes(const std::vector<ResultColumn>& columns) {
  const bool frechet = std::any_of(columns.begin(), columns.end(), [](const ResultColumn& column) {
    return column.key == "frechet";
  });
  return "<p class=\"note\">Feature networks are named in summary.json. " +
         std::string(frechet ? "The Frechet distance is not FID. " : "") +
         "Compare numbers only at equal numbers of samples and equal resolution. A single seed is "
         "noise: ratios between two arms vary by more than ten percent from seed to seed.</p>\n";
}

/// One row an arm, with its numbers in summary.json; a number that an arm does not have is an empty
/// cell.
inline std::string result_table(const ReportInput& input) {
  std::ifstream file{input.folder / "summary.json"};
  const auto summary = nlohmann::json::parse(file, nullptr, false);
  const auto none = nlohmann::json::object();
  const auto arms = summary.is_object() ? summary.value("arms", none) : none;
  const std::vector<ResultColumn> columns = result_columns(arms);

  std::string out = "<div class=\"wide\"><table><tr><th>arm</th>";
  for (const ResultColumn& column : columns) {
    out += "<th>" + std::string(column.title) + "</th>";
  }
  out += "</tr>\n";
  for (const ReportArm& arm : input.arms) {
    const auto numbers = arms.value(arm.name, none);
    out += "<tr><td>" + svg::escape(arm.name) + "</td>";
    for (const ResultColumn& column : columns) {
      const auto found = numbers.find(column.key);
      const bool known = found != numbers.end() && found->is_number();
      out += "<td>" + (known ? svg::number(found->get<double>()) : "") + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</table></div>\n" + result_notes(columns);
}

} // namespace d2c::report
