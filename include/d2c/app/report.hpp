#pragma once
/// The report of a run: one self-contained HTML page made from the files of its stages.

#include <string>

#include <d2c/app/report_held_out.hpp>
#include <d2c/app/report_input.hpp>
#include <d2c/app/report_neighbours.hpp>
#include <d2c/app/report_results.hpp>
#include <d2c/app/report_samples.hpp>
#include <d2c/app/report_seconds.hpp>
#include <d2c/app/report_selection.hpp>
#include <d2c/app/report_style.hpp>
#include <d2c/app/report_training.hpp>
#include <d2c/app/svg_chart.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/io/atomic_file.hpp>

namespace d2c {

/// Writes `<folder>/report.html`: the result table, scores, pictures, curves, samples, nearest
/// training images, seconds and the effective configuration. Sections whose stage is not part of
/// the pipeline are left out. InputError if a file of a stage is damaged, Failure if the page
/// cannot be written.
template <class = Once>
void write_report(const ReportInput& input) {
  const std::string name = svg::escape(input.name);
  std::string page = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta "
                     "name=\"viewport\" content=\"width=device-width\"/><title>" +
                     name + "</title><style>" + std::string(report_style) +
                     "</style></head><body><main>\n<h1>" + name +
                     "</h1>\n<p class=\"lead\">Diffusion dataset condensation: every number and "
                     "picture below was computed in this run.</p>\n";
  page += report::result_table(input);
  page += report::selection_section(input) + report::training_section(input) +
          report::held_out_section(input) + report::sample_section(input) +
          report::neighbour_section(input) + report::seconds_section(input);
  page += "<h2>Pipelines</h2>\n";
  for (const ReportArm& arm : input.arms) {
    page += "<p><b>" + svg::escape(arm.name) + "</b> <code>" + svg::escape(arm.pipeline) +
            "</code></p>\n";
  }
  page += "<h2>Effective configuration</h2>\n<pre>" + svg::escape(input.config) +
          "</pre>\n</main></body></html>\n";
  write_file_atomically(input.folder / "report.html", page);
}
D2C_COMPILED_ONCE(void write_report<>(const ReportInput&))

} // namespace d2c
