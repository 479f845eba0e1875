#pragma once
/// The report's section on samples.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <d2c/app/report_input.hpp>
#include <d2c/app/report_picture.hpp>
#include <d2c/io/contact_sheet.hpp>
#include <d2c/io/safetensors.hpp>

namespace d2c::report {

/// Samples of every arm, a row a class; empty if no arm samples.
inline std::string sample_section(const ReportInput& input) {
  constexpr std::size_t most_classes = 20;
  constexpr std::size_t columns = 14;
  std::string out;
  for (const ReportArm& arm : input.arms) {
    const auto path = arm.file("Samples", "samples.safetensors");
    if (!path) {
      continue;
    }
    const SafetensorsFile file{*path};
    const auto shape = file.entry("images").shape;
    const auto pixels = file.values<std::uint8_t>("images");
    const auto labels = file.values<std::int64_t>("labels");
    std::map<std::int64_t, std::vector<std::size_t>> by_class;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      by_class[labels[i]].push_back(i);
    }
    const int rows = static_cast<int>(std::min(by_class.size(), most_classes));
    if (rows == 0) {
      continue;
    }
    ContactSheet sheet{rows, static_cast<int>(columns), static_cast<int>(shape[1]),
                       static_cast<int>(shape[2]), static_cast<int>(shape[3])};
    const auto bytes = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
    int row = 0;
    for (const auto& [label, members] : by_class) {
      if (row == rows) {
        break;
      }
      for (std::size_t column = 0; column < std::min(columns, members.size()); ++column) {
        sheet.place(row, static_cast<int>(column), pixels.data() + members[column] * bytes);
      }
      ++row;
    }
    out += picture(sheet, "samples of " + arm.name + ", a row a class");
  }
  return out.empty() ? out : "<h2>Samples</h2>\n<div class=\"row\">" + out + "</div>\n";
}

} // namespace d2c::report
