// Selection at ImageNet's size: 1.28 million scores in 1000 classes from scores.csv to subset.csv
// (read, check, sort, stride, write), by the code that the selection stage runs.
//   selection [repetitions] [folder]

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <d2c/core/rng.hpp>
#include <d2c/score/score_file.hpp>
#include <d2c/select/interval.hpp>
#include <d2c/select/random.hpp>
#include <d2c/select/select_subset.hpp>
#include <d2c/select/subset_file.hpp>

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Class sizes of ImageNet's training set run from 732 to 1300 with a mean of 1281: most classes
/// are full. Rows come in a random order, as no order may be relied on.
void write_input(const std::filesystem::path& path) {
  std::vector<std::string> texts;
  std::vector<d2c::ScoredImage> images;
  for (int label = 0; label < 1000; ++label) {
    const int size = label < 100 ? 732 + 6 * label : 1300;
    for (int i = 0; i < size; ++i) {
      char text[64];
      std::snprintf(text, sizeof text, "train/n%08d/n%08d_%d.JPEG", label, label, i);
      texts.emplace_back(text);
      d2c::ScoredImage image;
      image.label = label;
      const auto draw = d2c::Draw{.step = static_cast<std::uint32_t>(label),
                                  .sample = static_cast<std::uint32_t>(i)};
      image.score = 0.1f + 0.4f * d2c::uniform(draw);
      image.standard_error = 0.01f * d2c::uniform(draw, 1);
      images.push_back(image);
    }
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    images[i].id = images[i].path = texts[i];
  }
  std::vector<d2c::ScoredImage> shuffled;
  for (const auto place : d2c::permutation({}, static_cast<std::int64_t>(images.size()))) {
    shuffled.push_back(images[static_cast<std::size_t>(place)]);
  }
  d2c::write_scores(path, shuffled);
}

template <class Policy>
double measure(const std::filesystem::path& folder, bool report) {
  d2c::SubsetRequest request;
  request.budget = 10;
  const auto begin = Clock::now();
  const d2c::ScoreFile scores{folder / "scores.csv"};
  const double read = since(begin);
  const auto rows = d2c::select_subset(Policy{}, scores.images(), request);
  const double select = since(begin) - read;
  d2c::write_subset(folder / "subset.csv", rows);
  const double total = since(begin);
  if (report) {
    std::printf("  read %zu rows %.3f s, select %.3f s, write %zu rows %.3f s\n",
                scores.images().size(), read, select, rows.size(), total - read - select);
  }
  return total;
}

template <class Policy>
void summarise(const std::filesystem::path& folder, int repetitions) {
  std::vector<double> seconds;
  for (int i = 0; i < repetitions; ++i) {
    seconds.push_back(measure<Policy>(folder, i == 0));
  }
  std::sort(seconds.begin(), seconds.end());
  std::printf("%-12s median %.3f s, %.3f to %.3f s in %d runs\n", std::string(Policy::name).c_str(),
              seconds[seconds.size() / 2], seconds.front(), seconds.back(), repetitions);
}

} // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::max(1, std::atoi(argv[1])) : 7;
  const std::filesystem::path folder =
      argc > 2 ? argv[2] : std::filesystem::temp_directory_path() / "d2c-selection-benchmark";
  std::filesystem::create_directories(folder);
  write_input(folder / "scores.csv");
  std::printf("scores.csv: %.1f MB\n",
              static_cast<double>(std::filesystem::file_size(folder / "scores.csv")) / 1e6);
  summarise<d2c::Interval<96>>(folder, repetitions);
  summarise<d2c::Interval<>>(folder, repetitions);
  summarise<d2c::Random>(folder, repetitions);
  std::filesystem::remove(folder / "scores.csv");
  std::filesystem::remove(folder / "subset.csv");
}
