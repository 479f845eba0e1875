#pragma once
/// The report's section on the held-out loss: curves of all arms that measure it.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/app/report_input.hpp>
#include <d2c/app/svg_chart.hpp>
#include <d2c/io/csv.hpp>

namespace d2c::report {

/// The held-out loss of every arm whose training wrote held_out.csv (train.evaluate_every), over
/// the steps; empty if none did.
inline std::string held_out_section(const ReportInput& input) {
  std::vector<svg::Series> curves;
  for (const ReportArm& arm : input.arms) {
    const auto path = arm.file("Denoiser", "held_out.csv");
    if (!path) {
      continue;
    }
    CsvReader reader{*path};
    const std::size_t step = reader.column("step");
    const std::size_t loss = reader.column("loss");
    svg::Series curve{arm.name, {}, {}};
    std::vector<std::string_view> fields;
    while (reader.next(fields)) {
      curve.x.push_back(reader.number<double>(fields[step], "step"));
      curve.y.push_back(reader.number<double>(fields[loss], "loss"));
    }
    curves.push_back(std::move(curve));
  }
  if (curves.empty()) {
    return {};
  }
  return "<h2>Held-out loss</h2>\n<p>Denoising loss of the averaged weights on images that are not "
         "trained on.</p>\n<div class=\"row\">" +
         svg::line_chart({"Held-out loss", "step", "loss"}, curves) + "</div>\n";
}

} // namespace d2c::report
