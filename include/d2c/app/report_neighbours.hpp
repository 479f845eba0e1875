#pragma once
/// The report's section on near copies of training images.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include <d2c/app/report_input.hpp>
#include <d2c/app/report_picture.hpp>
#include <d2c/io/contact_sheet.hpp>
#include <d2c/io/safetensors.hpp>

namespace d2c::report {

/// Each judged arm's shown samples above their nearest training images; empty if no arm is judged.
inline std::string neighbour_section(const ReportInput& input) {
  std::string out;
  for (const ReportArm& arm : input.arms) {
    const auto path = arm.file("Metrics", "neighbours.safetensors");
    if (!path) {
      continue;
    }
    const SafetensorsFile file{*path};
    const auto shape = file.entry("samples").shape;
    const auto samples = file.values<std::uint8_t>("samples");
    const auto nearest = file.values<std::uint8_t>("nearest");
    const int columns = static_cast<int>(std::min<std::int64_t>(shape[0], 20));
    if (columns == 0) {
      continue;
    }
    ContactSheet sheet{2, columns, static_cast<int>(shape[1]), static_cast<int>(shape[2]),
                       static_cast<int>(shape[3])};
    const auto bytes = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
    for (int column = 0; column < columns; ++column) {
      sheet.place(0, column, samples.data() + static_cast<std::size_t>(column) * bytes);
      sheet.place(1, column, nearest.data() + static_cast<std::size_t>(column) * bytes);
    }
    out += picture(sheet, arm.name + ": samples closest to a training image, and that image below");
  }
  return out.empty() ? out
                     : "<h2>Nearest training images</h2>\n<div class=\"row\">" + out + "</div>\n";
}

} // namespace d2c::report
