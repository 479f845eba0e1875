// Oracles: values worked out by hand; pictures decoded back from the page by libpng.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/app/report.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/image_decoder.hpp>
#include <d2c/io/safetensors_writer.hpp>
#include <d2c/score/score_file.hpp>
#include <d2c/select/subset_file.hpp>

namespace {

namespace fs = std::filesystem;
using d2c_test::content;
using d2c_test::ScratchFolder;
using d2c_test::written;

constexpr int classes = 12;
constexpr int per_class = 3;
constexpr int side = 2;

/// The grey value of an image: tells class and place in the class apart.
std::uint8_t grey(int label, int place) {
  return static_cast<std::uint8_t>(20 * label + 3 * place);
}

/// Twelve classes of three images: train/0 is the first of class 0, train/1 the first of class 1,
/// and so on.
d2c::ImageSet images(d2c::Split) {
  d2c::ImageSet set;
  set.channels = 1;
  set.height = set.width = side;
  for (int place = 0; place < per_class; ++place) {
    for (int label = 0; label < classes; ++label) {
      set.ids.push_back("train/" + std::to_string(set.ids.size()));
      set.labels.push_back(label);
      set.pixels.insert(set.pixels.end(), side * side, grey(label, place));
    }
  }
  return set;
}

/// The score of an image: the last one of every class is the easiest.
double score(int place) {
  return 0.75 - 0.25 * place;
}

std::string id_of(int label, int place) {
  return "train/" + std::to_string(place * classes + label);
}

void write_score_file(const fs::path& folder) {
  constexpr std::size_t count = classes * per_class;
  std::vector<std::string> ids(count);
  std::vector<d2c::ScoredImage> rows(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<int>(i);
    ids[i] = "train/" + std::to_string(at);
    rows[i].id = ids[i];
    rows[i].label = at % classes;
    rows[i].score = score(at / classes);
    rows[i].standard_error = 0.01;
  }
  d2c::write_scores(folder / "scores.csv", rows);
}

/// Keeps the image in the middle of every class.
void write_subset_file(const fs::path& folder, bool with_scores) {
  std::vector<d2c::SubsetRow> rows;
  for (int label = 0; label < classes; ++label) {
    d2c::SubsetRow row{.id = id_of(label, 1), .path = {}, .label = label, .rank = 1};
    row.score = with_scores ? score(1) : std::numeric_limits<double>::quiet_NaN();
    rows.push_back(row);
  }
  d2c::write_subset(folder / "subset.csv", rows);
}

std::vector<std::byte> bytes_of(const auto& values) {
  const auto view = std::as_bytes(std::span(values));
  return {view.begin(), view.end()};
}

/// Two samples of each class, of the class's grey.
void write_samples(const fs::path& folder) {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int64_t> labels;
  for (int i = 0; i < 2 * classes; ++i) {
    labels.push_back(i % classes);
    pixels.insert(pixels.end(), side * side, grey(i % classes, i / classes));
  }
  const auto pixel_bytes = bytes_of(pixels);
  const auto label_bytes = bytes_of(labels);
  d2c::write_safetensors(folder / "samples.safetensors",
                         {{"images", d2c::DType::U8, {2 * classes, 1, side, side}, pixel_bytes},
                          {"labels", d2c::DType::I64, {2 * classes}, label_bytes}});
}

void write_neighbours(const fs::path& folder) {
  const auto samples = bytes_of(std::vector<std::uint8_t>(side * side, 7));
  const auto nearest = bytes_of(std::vector<std::uint8_t>(side * side, 9));
  d2c::write_safetensors(folder / "neighbours.safetensors",
                         {{"samples", d2c::DType::U8, {1, 1, side, side}, samples},
                          {"nearest", d2c::DType::U8, {1, 1, side, side}, nearest}});
}

/// A finished run of two arms in one folder; the second one selects without scores.
struct Run {
  ScratchFolder scratch;
  d2c::ReportInput input;

  Run() {
    for (const char* name : {"scores", "subset", "random", "train", "flat", "samples", "judge"}) {
      fs::create_directory(scratch / name);
    }
    write_score_file(scratch / "scores");
    write_subset_file(scratch / "subset", true);
    write_subset_file(scratch / "random", false);
    const std::string header = "step,loss,denoise,align,learning_rate,grad_norm\n";
    written(scratch / "train/loss.csv", header + "1,1,1,-0.25,1,1\n2,0.5,0.5,-0.5,1,1\n");
    written(scratch / "flat/loss.csv", header + "1,1,1,0,1,1\n2,0.5,nan,0,1,1\n");
    write_samples(scratch / "samples");
    write_neighbours(scratch / "judge");
    written(scratch / "summary.json",
            R"({"arms": {"d2c": {"frechet": 12.5, "precision": 0.875, "copies": "none"}}})");
    input = {
        .name = "a <run>",
        .folder = scratch.path(),
        .config = "[run]\nname = \"a <run> & more\"\n",
        .arms = {{.name = "d2c",
                  .pipeline = "Pipeline<Scorer<DiTXL>>",
                  .folder = {},
                  .artifacts = {{"Scores", scratch / "scores"},
                                {"Subset", scratch / "subset"},
                                {"Denoiser", scratch / "train"},
                                {"Samples", scratch / "samples"},
                                {"Metrics", scratch / "judge"}}},
                 {.name = "random <&>",
                  .pipeline = "Pipeline<Selector<Random>>",
                  .folder = {},
                  .artifacts = {{"Subset", scratch / "random"}, {"Denoiser", scratch / "flat"}}}},
        .seconds = {{.kind = "score",
                     .stage = "Scorer",
                     .arms = {"d2c"},
                     .seconds = 2.5,
                     .reused = true,
                     .folder = {}}},
        .wall_seconds = 4,
        .images = images};
  }

  [[nodiscard]] std::string page() const {
    d2c::write_report(input);
    return content(scratch / "report.html");
  }
};

bool has(const std::string& page, std::string_view text) {
  return page.find(text) != std::string::npos;
}

std::size_t count(const std::string& page, std::string_view text) {
  std::size_t found = 0;
  for (auto at = page.find(text); at != std::string::npos; at = page.find(text, at + 1)) {
    ++found;
  }
  return found;
}

/// The inverse of base64, by its definition: six bits a digit.
std::vector<std::byte> decoded(std::string_view text) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::byte> bytes;
  unsigned bits = 0;
  int held = 0;
  for (const char c : text.substr(0, text.find('='))) {
    bits = (bits << 6) | static_cast<unsigned>(digits.find(c));
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes.push_back(static_cast<std::byte>((bits >> held) & 255));
    }
  }
  return bytes;
}

/// The picture whose caption begins with `caption`.
d2c::DecodedImage picture(const std::string& page, const std::string& caption) {
  const auto figure = page.find("<img alt=\"" + caption);
  REQUIRE(figure != std::string::npos);
  const std::string_view head = "base64,";
  const auto begin = page.find(head, figure) + head.size();
  const auto end = page.find('"', begin);
  return d2c::decode_image(caption, decoded(std::string_view(page).substr(begin, end - begin)));
}

/// The upper left pixel of a cell; cells are two pixels apart.
int cell(const d2c::DecodedImage& sheet, int row, int column) {
  const std::size_t step = side + 2;
  const auto width = static_cast<std::size_t>(sheet.width);
  return sheet.rgb[3 * (static_cast<std::size_t>(row) * step * width +
                        static_cast<std::size_t>(column) * step)];
}

/// The first tag that closes another element than the one that is open; empty if all fit.
std::string first_misfit(const std::string& page) {
  std::vector<std::string> open;
  for (auto at = page.find('<'); at != std::string::npos; at = page.find('<', at + 1)) {
    const auto end = page.find('>', at);
    if (end == std::string::npos) {
      return page.substr(at, 20);
    }
    const std::string tag = page.substr(at + 1, end - at - 1);
    if (tag.starts_with('!') || tag.ends_with('/')) {
      continue;
    }
    if (!tag.starts_with('/')) {
      open.push_back(tag.substr(0, tag.find(' ')));
    } else if (open.empty() || open.back() != tag.substr(1)) {
      return "</" + tag.substr(1) + ">";
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + ">";
}

} // namespace

TEST_CASE("report: base64 of the vectors of RFC 4648") {
  const auto of = [](std::string_view text) {
    return d2c::base64(std::vector<std::uint8_t>(text.begin(), text.end()));
  };
  CHECK(of("").empty());
  CHECK(of("f") == "Zg==");
  CHECK(of("fo") == "Zm8=");
  CHECK(of("foo") == "Zm9v");
  CHECK(of("foob") == "Zm9vYg==");
  CHECK(of("fooba") == "Zm9vYmE=");
  CHECK(of("foobar") == "Zm9vYmFy");
  CHECK(of("\xfb\xff") == "+/8=");
}

TEST_CASE("report: the page holds every arm, its numbers, charts and pictures") {
  const Run run;
  const std::string page = run.page();
  CHECK(has(page, "<tr><td>d2c</td><td>12.5</td><td>0.875</td><td></td></tr>"));
  CHECK(has(page, "<tr><td>random &lt;&amp;&gt;</td><td></td><td></td><td></td></tr>"));
  for (const char* heading : {"Select", "Train", "Samples", "Nearest training images",
                              "Where the time went", "Pipelines", "Effective configuration"}) {
    CHECK(count(page, std::string("<h2>") + heading + "</h2>") == 1);
  }
  // The histogram, two charts of training (alignment of one arm only), and the seconds.
  CHECK(count(page, "<svg ") == 4);
  CHECK(has(page, "Alignment loss"));
  CHECK(has(page, "score (d2c) *"));
  CHECK(has(page, "This call took 4 s. * finished in an earlier call"));
  // Three sheets of classes, samples of one arm, and its nearest images.
  CHECK(count(page, "<img ") == 5);
  CHECK(cell(picture(page, "d2c: samples closest"), 0, 0) == 7);
  CHECK(cell(picture(page, "d2c: samples closest"), 1, 0) == 9);
}

TEST_CASE("report: the page is well-formed, escaped and self-contained") {
  const Run run;
  const std::string page = run.page();
  CHECK(first_misfit(page).empty());
  CHECK(has(page, "<title>a &lt;run&gt;</title>"));
  CHECK(has(page, "name = &quot;a &lt;run&gt; &amp; more&quot;"));
  CHECK(has(page, "<code>Pipeline&lt;Scorer&lt;DiTXL&gt;&gt;</code>"));
  CHECK_FALSE(has(page, "<run>"));
  CHECK_FALSE(has(page, "<&>"));
  CHECK_FALSE(has(page, "http"));
  CHECK_FALSE(has(page, "<script"));
  CHECK_FALSE(has(page, "<link"));
  CHECK(count(page, "src=\"") == count(page, "src=\"data:image/png;base64,"));
}

TEST_CASE("report: classes stand in the order of their numbers, also from ten on") {
  const Run run;
  const std::string page = run.page();
  const auto easiest = picture(page, "easiest of each class");
  const auto selected = picture(page, "selected, from easy to hard");
  const auto hardest = picture(page, "hardest of each class");
  const auto samples = picture(page, "samples of d2c");
  REQUIRE(easiest.height == classes * (side + 2) - 2);
  for (int label = 0; label < classes; ++label) {
    INFO("class " << label);
    for (int column = 0; column < per_class; ++column) {
      CHECK(cell(easiest, label, column) == grey(label, per_class - 1 - column));
      CHECK(cell(hardest, label, column) == grey(label, column));
    }
    CHECK(cell(selected, label, 0) == grey(label, 1));
    CHECK(cell(samples, label, 1) == grey(label, 1));
    // A class with fewer images than columns leaves cells white.
    CHECK(cell(easiest, label, per_class) == 255);
    CHECK(cell(selected, label, 1) == 255);
    CHECK(cell(hardest, label, per_class) == 255);
    CHECK(cell(samples, label, 2) == 255);
  }
}

TEST_CASE("report: what a pipeline does not have is left out") {
  Run run;
  SECTION("no pictures at hand") {
    run.input.images = {};
    const std::string page = run.page();
    CHECK(has(page, "Difficulty of all images"));
    CHECK_FALSE(has(page, "easiest of each class"));
  }
  SECTION("a selection without scores has no histogram of its own") {
    run.input.arms.front().artifacts["Subset"] = run.scratch / "random";
    const std::string page = run.page();
    CHECK(has(page, ">all</text>"));
    CHECK_FALSE(has(page, ">selected</text>"));
    CHECK(cell(picture(page, "selected, from easy to hard"), 11, 0) == grey(11, 1));
  }
  SECTION("an arm without any result, and no summary") {
    for (auto& arm : run.input.arms) {
      arm.artifacts.clear();
    }
    run.input.seconds.clear();
    fs::remove(run.scratch / "summary.json");
    const std::string page = run.page();
    CHECK(first_misfit(page).empty());
    CHECK(has(page, "<th>arm</th></tr>\n<tr><td>d2c</td></tr>"));
    CHECK_FALSE(has(page, "<h2>Select</h2>"));
    CHECK_FALSE(has(page, "<h2>Train</h2>"));
    CHECK_FALSE(has(page, "<h2>Samples</h2>"));
    CHECK_FALSE(has(page, "<img "));
    CHECK(has(page, "<h2>Effective configuration</h2>"));
  }
  SECTION("a folder without the file") {
    fs::remove(run.scratch / "samples/samples.safetensors");
    fs::remove(run.scratch / "judge/neighbours.safetensors");
    const std::string page = run.page();
    CHECK_FALSE(has(page, "<h2>Samples</h2>"));
    CHECK_FALSE(has(page, "<h2>Nearest training images</h2>"));
    CHECK(has(page, "<h2>Train</h2>"));
  }
}

TEST_CASE("report: a column for each number that an arm has, and what the numbers are not") {
  const Run run;
  written(run.scratch / "summary.json",
          R"({"arms": {"d2c": {"images": 4, "frechet": 2.5}, "random <&>": {"images": 4}}})");
  const std::string frechet = run.page();
  CHECK(has(frechet, "<th>arm</th><th>training images</th><th>Frechet distance</th></tr>\n"
                     "<tr><td>d2c</td><td>4</td><td>2.5</td></tr>\n"
                     "<tr><td>random &lt;&amp;&gt;</td><td>4</td><td></td></tr>"));
  CHECK(has(frechet, "is not FID"));
  written(run.scratch / "summary.json", R"({"arms": {"d2c": {"kid": 1, "half_pixel_fid": 2}}})");
  const std::string fid = run.page();
  CHECK(has(fid, "<th>arm</th><th>FID, half-pixel resize</th><th>KID</th></tr>"));
  CHECK_FALSE(has(fid, "is not FID"));
}

TEST_CASE("report: the held-out loss of the arms that measure it has a chart of its own") {
  Run run;
  CHECK_FALSE(has(run.page(), "Held-out loss"));
  written(run.scratch / "train/held_out.csv", "step,loss,standard_error\n1,2,0.1\n3,1,0.1\n");
  const std::string page = run.page();
  const std::size_t section = page.find("<h2>Held-out loss</h2>");
  REQUIRE(section != std::string::npos);
  const std::string chart = page.substr(section, page.find("</svg>", section) - section);
  CHECK(has(chart, "aria-label=\"Held-out loss\""));
  CHECK(has(chart, "s0 line"));
  CHECK_FALSE(has(chart, "s1 line"));
  // From the upper left corner of the plot to the lower right one.
  CHECK(has(chart, "points=\"58.0,40.0 546.0,260.0 \""));
  written(run.scratch / "train/held_out.csv", "step,loss,standard_error\n1,x,0.1\n");
  CHECK_THROWS_WITH(run.page(), Catch::Contains("held_out.csv:2"));
}

TEST_CASE("report: a damaged table is one sentence with its place") {
  const Run run;
  const auto path = written(run.scratch / "scores/scores.csv",
                            "id,path,class,score,standard_error\ntrain/0,,0,much,\n");
  CHECK_THROWS_WITH(d2c::write_report(run.input),
                    path.string() + ":2: expected a number in column \"score\", found \"much\"");
  CHECK_FALSE(fs::exists(run.scratch / "report.html"));
}
