#pragma once
/// The report's result table.

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include <d2c/app/report_input.hpp>
#include <d2c/app/svg_chart.hpp>

namespace d2c::report {

/// One row an arm, with its numbers in summary.json; a number that an arm does not have is an empty
/// cell.
inline std::string result_table(const ReportInput& input) {
  constexpr std::array<std::array<const char*, 2>, 12> columns = {
      {{"frechet", "Frechet distance"},
       {"fid", "FID"},
       {"sfid", "sFID"},
       {"fd_dinov2", "FD-DINOv2"},
       {"inception_score", "Inception score"},
       {"precision", "precision"},
       {"recall", "recall"},
       {"copies", "near copies"},
       {"copies_dinov2", "near copies by DINOv2"},
       {"images", "training images"},
       {"steps", "steps"},
       {"samples", "samples"}}};
  std::ifstream file{input.folder / "summary.json"};
  const auto summary = nlohmann::json::parse(file, nullptr, false);
  const auto none = nlohmann::json::object();
  const auto arms = summary.is_object() ? summary.value("arms", none) : none;

  const auto shown = [&](const char* key) {
    // Of networks that few experiments use: a column where an arm has the number.
    const std::string_view name{key};
    return (name != "fid" && name != "sfid" && name != "inception_score" &&
            !name.ends_with("dinov2")) ||
           std::any_of(input.arms.begin(), input.arms.end(), [&](const ReportArm& arm) {
             return arms.value(arm.name, none).contains(key);
           });
  };
  std::string out = "<div class=\"wide\"><table><tr><th>arm</th>";
  for (const auto& column : columns) {
    out += shown(column[0]) ? std::string("<th>") + column[1] + "</th>" : std::string{};
  }
  out += "</tr>\n";
  for (const ReportArm& arm : input.arms) {
    const auto numbers = arms.value(arm.name, none);
    out += "<tr><td>" + svg::escape(arm.name) + "</td>";
    for (const auto& column : columns) {
      if (!shown(column[0])) {
        continue;
      }
      const bool known = numbers.contains(column[0]) && numbers.at(column[0]).is_number();
      out += "<td>" + (known ? svg::number(numbers.at(column[0]).get<double>()) : "") + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

} // namespace d2c::report
