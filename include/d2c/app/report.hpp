#pragma once
/// The report of a run: one self-contained HTML page made from the files of its stages.

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/app/report_input.hpp>
#include <d2c/app/report_style.hpp>
#include <d2c/app/svg_chart.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/contact_sheet.hpp>
#include <d2c/io/csv.hpp>
#include <d2c/io/png.hpp>
#include <d2c/io/safetensors.hpp>

namespace d2c {
namespace report {

using svg::escape;

inline std::string base64(const std::vector<std::uint8_t>& bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const std::uint32_t word = (std::uint32_t{bytes[i]} << 16) |
                               (left > 1 ? std::uint32_t{bytes[i + 1]} << 8 : 0) |
                               (left > 2 ? std::uint32_t{bytes[i + 2]} : 0);
    out += digits[word >> 18];
    out += digits[(word >> 12) & 63];
    out += left > 1 ? digits[(word >> 6) & 63] : '=';
    out += left > 2 ? digits[word & 63] : '=';
  }
  return out;
}

/// A contact sheet as an `img` element drawn `zoom` times as large, with its description.
inline std::string picture(const ContactSheet& sheet, const std::string& caption, int zoom = 2) {
  const auto png = encode_png(sheet.pixels(), sheet.width(), sheet.height(), sheet.channels());
  return "<figure><img alt=\"" + escape(caption) + "\" width=\"" +
         std::to_string(zoom * sheet.width()) + "\" src=\"data:image/png;base64," + base64(png) +
         "\"/><figcaption>" + escape(caption) + "</figcaption></figure>\n";
}

/// Columns of a CSV file by name; an absent file gives no columns.
class Table {
public:
  explicit Table(const std::filesystem::path& path) {
    if (!std::filesystem::exists(path)) {
      return;
    }
    CsvReader reader{path};
    header_ = reader.header();
    std::vector<std::string> fields;
    while (reader.next(fields)) {
      rows_.push_back(fields);
    }
  }

  [[nodiscard]] std::vector<std::string> text(const std::string& name) const {
    std::vector<std::string> out;
    const auto found = std::ranges::find(header_, name);
    if (found != header_.end()) {
      const auto at = static_cast<std::size_t>(found - header_.begin());
      for (const auto& row : rows_) {
        out.push_back(row.at(at));
      }
    }
    return out;
  }

  /// Numbers of a column; empty cells are left out.
  [[nodiscard]] std::vector<double> numbers(const std::string& name) const {
    std::vector<double> out;
    for (const auto& cell : text(name)) {
      if (!cell.empty()) {
        out.push_back(std::stod(cell));
      }
    }
    return out;
  }

private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

inline std::optional<std::filesystem::path> artifact(const ReportArm& arm, const char* name) {
  const auto found = arm.artifacts.find(name);
  return found == arm.artifacts.end() ? std::nullopt : std::optional{found->second};
}

/// The metrics of every arm by name, from summary.json; empty if no arm is judged.
inline nlohmann::json metrics_of_arms(const ReportInput& input) {
  std::ifstream file{input.folder / "summary.json"};
  const auto summary = nlohmann::json::parse(file, nullptr, false);
  return summary.is_object() ? summary.value("arms", nlohmann::json::object())
                             : nlohmann::json::object();
}

/// The result table: one row an arm, one column a metric that any arm has.
inline std::string result_table(const ReportInput& input) {
  constexpr std::array<std::array<const char*, 2>, 7> columns = {{{"frechet", "Frechet distance"},
                                                                  {"precision", "precision"},
                                                                  {"recall", "recall"},
                                                                  {"copies", "near copies"},
                                                                  {"images", "training images"},
                                                                  {"steps", "steps"},
                                                                  {"samples", "samples"}}};
  std::string out = "<div class=\"wide\"><table><tr><th>arm</th>";
  for (const auto& column : columns) {
    out += std::string("<th>") + column[1] + "</th>";
  }
  out += "</tr>\n";
  const auto all = metrics_of_arms(input);
  for (const ReportArm& arm : input.arms) {
    const auto metrics = all.value(arm.name, nlohmann::json::object());
    out += "<tr><td>" + escape(arm.name) + "</td>";
    for (const auto& column : columns) {
      const bool known = metrics.contains(column[0]) && metrics.at(column[0]).is_number();
      out += "<td>" + (known ? svg::number(metrics.at(column[0]).get<double>()) : "") + "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</table></div>\n";
}

/// Rows of one class in scores.csv order of difficulty: ids and scores, ascending.
using Ranking = std::map<std::string, std::vector<std::pair<double, std::string>>>;

inline Ranking ranking_of(const Table& scores) {
  Ranking ranking;
  const auto ids = scores.text("id");
  const auto classes = scores.text("class");
  const auto values = scores.numbers("score");
  for (std::size_t i = 0; i < ids.size() && i < values.size(); ++i) {
    ranking[classes[i]].emplace_back(values[i], ids[i]);
  }
  for (auto& [label, images] : ranking) {
    std::ranges::sort(images);
  }
  return ranking;
}

/// One sheet: a row a class, `columns` images chosen by `pick(class, column)`, which returns an id.
template <class Pick>
std::string class_sheet(const ImageSet& images, const std::map<std::string, std::int64_t>& index_of,
                        const std::vector<std::string>& classes, int columns,
                        const std::string& caption, Pick pick) {
  ContactSheet sheet{static_cast<int>(classes.size()), columns, images.channels, images.height,
                     images.width};
  for (std::size_t row = 0; row < classes.size(); ++row) {
    for (int column = 0; column < columns; ++column) {
      const auto found = index_of.find(pick(classes[row], column));
      if (found != index_of.end()) {
        sheet.place(static_cast<int>(row), column, images.image(found->second));
      }
    }
  }
  return picture(sheet, caption, 1);
}

/// How selection works here: the histogram of scores, and the easiest, selected and hardest images
/// of each class. `images` loads the pictures.
inline std::string selection_section(const ReportInput& input) {
  for (const ReportArm& arm : input.arms) {
    const auto scores_folder = artifact(arm, "Scores");
    const auto subset_folder = artifact(arm, "Subset");
    if (!scores_folder || !subset_folder) {
      continue;
    }
    const Table scores{*scores_folder / "scores.csv"};
    const Table subset{*subset_folder / "subset.csv"};
    std::string out = "<h2>Select</h2>\n<p>The difficulty score is the mean squared error of the "
                      "scorer's noise estimate. Every class is sorted from easy to hard.</p>\n";
    out += svg::histogram(
        {"Difficulty of all images and of the selected ones (" + arm.name + ")", "score", "share",
         760, 300},
        {{"all", scores.numbers("score"), {}}, {"selected", subset.numbers("score"), {}}});
    if (!input.images) {
      return out;
    }
    const ImageSet images = input.images(Split::train);
    std::map<std::string, std::int64_t> index_of;
    for (std::int64_t i = 0; i < images.size(); ++i) {
      index_of[images.ids[static_cast<std::size_t>(i)]] = i;
    }
    const Ranking ranking = ranking_of(scores);
    std::map<std::string, std::vector<std::string>> kept;
    const auto subset_ids = subset.text("id");
    const auto subset_classes = subset.text("class");
    for (std::size_t i = 0; i < subset_ids.size(); ++i) {
      kept[subset_classes[i]].push_back(subset_ids[i]);
    }
    std::vector<std::string> classes;
    for (const auto& [label, ranked] : ranking) {
      if (classes.size() < 20) {
        classes.push_back(label);
      }
    }
    constexpr int columns = 10;
    out += "<div class=\"sheets\">";
    out += class_sheet(images, index_of, classes, columns, "easiest of each class",
                       [&](const std::string& label, int column) {
                         const auto& ranked = ranking.at(label);
                         const auto at = static_cast<std::size_t>(column);
                         return at < ranked.size() ? ranked[at].second : std::string{};
                       });
    out += class_sheet(images, index_of, classes, columns, "selected, from easy to hard",
                       [&](const std::string& label, int column) {
                         const auto& ids = kept[label];
                         const auto at = ids.size() * static_cast<std::size_t>(column) / columns;
                         return at < ids.size() ? ids[at] : std::string{};
                       });
    out += class_sheet(images, index_of, classes, columns, "hardest of each class",
                       [&](const std::string& label, int column) {
                         const auto& ranked = ranking.at(label);
                         const auto at = static_cast<std::size_t>(column);
                         return at < ranked.size() ? ranked[ranked.size() - 1 - at].second
                                                   : std::string{};
                       });
    return out + "</div>\n";
  }
  return {};
}

/// Training curves of all arms.
inline std::string training_section(const ReportInput& input) {
  std::vector<svg::Series> denoise;
  std::vector<svg::Series> align;
  for (const ReportArm& arm : input.arms) {
    if (const auto folder = artifact(arm, "Denoiser")) {
      const Table losses{*folder / "loss.csv"};
      const auto steps = losses.numbers("step");
      denoise.push_back({arm.name, steps, losses.numbers("denoise")});
      if (const auto values = losses.numbers("align"); values.size() == steps.size()) {
        if (std::ranges::any_of(values, [](double value) { return value != 0; })) {
          align.push_back({arm.name, steps, values});
        }
      }
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

/// Samples of every arm: a row a class.
inline std::string sample_section(const ReportInput& input) {
  std::string out;
  for (const ReportArm& arm : input.arms) {
    const auto folder = artifact(arm, "Samples");
    if (!folder || !std::filesystem::exists(*folder / "samples.safetensors")) {
      continue;
    }
    const SafetensorsFile file{*folder / "samples.safetensors"};
    const auto shape = file.entry("images").shape;
    const auto pixels = file.values<std::uint8_t>("images");
    const auto labels = file.values<std::int64_t>("labels");
    std::map<std::int64_t, std::vector<std::size_t>> by_class;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      by_class[labels[i]].push_back(i);
    }
    constexpr int columns = 14;
    const int rows = static_cast<int>(std::min<std::size_t>(by_class.size(), 20));
    ContactSheet sheet{rows, columns, static_cast<int>(shape[1]), static_cast<int>(shape[2]),
                       static_cast<int>(shape[3])};
    const std::size_t bytes = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
    int row = 0;
    for (const auto& [label, members] : by_class) {
      for (int column = 0; row < rows && column < columns; ++column) {
        if (static_cast<std::size_t>(column) < members.size()) {
          sheet.place(row, column,
                      pixels.data() + members[static_cast<std::size_t>(column)] * bytes);
        }
      }
      ++row;
    }
    out += picture(sheet, "samples of " + arm.name + ", a row a class", 1);
  }
  return out.empty() ? out : "<h2>Samples</h2>\n<div class=\"row\">" + out + "</div>\n";
}

/// Each arm's shown samples above their nearest training images.
inline std::string neighbour_section(const ReportInput& input) {
  std::string out;
  for (const ReportArm& arm : input.arms) {
    const auto folder = artifact(arm, "Metrics");
    if (!folder || !std::filesystem::exists(*folder / "neighbours.safetensors")) {
      continue;
    }
    const SafetensorsFile file{*folder / "neighbours.safetensors"};
    const auto shape = file.entry("samples").shape;
    const auto samples = file.values<std::uint8_t>("samples");
    const auto nearest = file.values<std::uint8_t>("nearest");
    const int columns = static_cast<int>(std::min<std::int64_t>(shape[0], 20));
    ContactSheet sheet{2, columns, static_cast<int>(shape[1]), static_cast<int>(shape[2]),
                       static_cast<int>(shape[3])};
    const std::size_t bytes = static_cast<std::size_t>(shape[1] * shape[2] * shape[3]);
    for (int column = 0; column < columns; ++column) {
      sheet.place(0, column, samples.data() + static_cast<std::size_t>(column) * bytes);
      sheet.place(1, column, nearest.data() + static_cast<std::size_t>(column) * bytes);
    }
    out +=
        picture(sheet, arm.name + ": samples closest to a training image, and that image below", 1);
  }
  return out.empty() ? out
                     : "<h2>Nearest training images</h2>\n<div class=\"row\">" + out + "</div>\n";
}

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

} // namespace report

/// Writes `<folder>/report.html`: the result table, scores, pictures, curves, samples, nearest
/// training images, seconds and the effective configuration. Sections whose stage is not part of
/// the pipeline are left out. Failure if the file cannot be written.
inline void write_report(const ReportInput& input) {
  std::string page = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta "
                     "name=\"viewport\" content=\"width=device-width\"/><title>" +
                     report::escape(input.name) + "</title><style>" + std::string(report_style) +
                     "</style></head><body><main>\n<h1>" + report::escape(input.name) +
                     "</h1>\n<p class=\"lead\">Diffusion dataset condensation: every number and "
                     "picture below was computed in this run.</p>\n";
  page += report::result_table(input);
  page +=
      "<p class=\"note\">The Frechet distance, precision and recall use the feature network named "
      "in summary.json. They are not FID. Compare them only at equal numbers of samples and "
      "equal resolution. A single seed is noise: ratios between two arms vary by more than ten "
      "percent from seed to seed.</p>\n";
  page += report::selection_section(input) + report::training_section(input) +
          report::sample_section(input) + report::neighbour_section(input) +
          report::seconds_section(input);
  page += "<h2>Pipelines</h2>\n";
  for (const ReportArm& arm : input.arms) {
    page += "<p><b>" + report::escape(arm.name) + "</b> <code>" + report::escape(arm.pipeline) +
            "</code></p>\n";
  }
  page += "<h2>Effective configuration</h2>\n<pre>" + report::escape(input.config) +
          "</pre>\n</main></body></html>\n";
  write_file_atomically(input.folder / "report.html", page);
}

} // namespace d2c
