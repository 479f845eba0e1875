#pragma once
/// The report's section on training: curves of all arms.

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/app/report_input.hpp>
#include <d2c/app/svg_chart.hpp>
#include <d2c/io/csv.hpp>

namespace d2c::report {

namespace detail {

/// A column of loss.csv over its steps.
inline svg::Series loss_curve(const std::filesystem::path& path, const std::string& label,
                              std::string_view column) {
  CsvReader reader{path};
  const std::size_t step = reader.column("step");
  const std::size_t value = reader.column(column);
  svg::Series curve{label, {}, {}};
  std::vector<std::string_view> fields;
  while (reader.next(fields)) {
    curve.x.push_back(reader.number<double>(fields[step], "step"));
    curve.y.push_back(reader.number<double>(fields[value], column));
  }
  return curve;
}

} // namespace detail

/// The denoising loss of every arm that trains, and the alignment loss of those that align; empty
/// if none trains.
inline std::string training_section(const ReportInput& input) {
  std::vector<svg::Series> denoise;
  std::vector<svg::Series> align;
  for (const ReportArm& arm : input.arms) {
    const auto losses = arm.file("Denoiser", "loss.csv");
    if (!losses) {
      continue;
    }
    denoise.push_back(detail::loss_curve(*losses, arm.name, "denoise"));
    auto curve = detail::loss_curve(*losses, arm.name, "align");
    if (std::ranges::any_of(curve.y, [](double value) { return value != 0; })) {
      align.push_back(std::move(curve));
    }
  }
  if (denoise.empty()) {
    return {};
  }
  std::string out = "<h2>Train</h2>\n<div class=\"row\">" +
                    svg::line_chart({"Denoising loss", "step", "loss"}, denoise);
  if (!align.empty()) {
    out += svg::line_chart({"Alignment loss (-1 is perfect)", "step", "loss"}, align);
  }
  return out + "</div>\n";
}

} // namespace d2c::report
