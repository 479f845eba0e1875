// Oracles: values worked out by hand; the textbook standard error of a mean.

#include <cmath>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/score/algorithm2.hpp>
#include <d2c/score/grid_antithetic.hpp>
#include <d2c/score/score_column.hpp>
#include <d2c/score/score_config.hpp>
#include <d2c/score/score_table.hpp>

#include <catch.hpp>

using namespace d2c;

namespace {

ScoreConfig with(std::int64_t columns, std::vector<double> timesteps = {}) {
  ScoreConfig config;
  config.columns = columns;
  config.timesteps = std::move(timesteps);
  return config;
}

} // namespace

TEST_CASE("score columns: the default is a grid of midpoints with antithetic shared noise") {
  const auto columns = GridAntithetic::columns(with(8), 3);
  REQUIRE(columns.size() == 8);
  std::set<std::uint32_t> banks;
  for (std::size_t q = 0; q < 4; ++q) {
    const ScoreColumn& plus = columns[2 * q];
    const ScoreColumn& minus = columns[2 * q + 1];
    CHECK(plus.time == (static_cast<double>(q) + 0.5) / 4);
    CHECK(plus.sign == 1);
    CHECK(minus.sign == -1);
    CHECK(plus.pairs_with(minus));
    CHECK(plus.noise(0).sample == plus.noise(77).sample);
    CHECK(plus.noise(5).stream == Stream::score_noise);
    CHECK(plus.seed == 3);
    banks.insert(plus.bank);
  }
  CHECK(banks.size() == 4);
}

TEST_CASE("score columns: three times as many columns contain the old ones") {
  const auto few = GridAntithetic::columns(with(8), 3);
  const auto many = GridAntithetic::columns(with(24), 3);
  for (const ScoreColumn& column : few) {
    std::size_t matches = 0;
    for (const ScoreColumn& other : many) {
      matches += column.bank == other.bank && column.sign == other.sign &&
                 std::abs(column.time - other.time) < 1e-12;
    }
    CHECK(matches == 1);
  }
}

TEST_CASE("score columns: given times get the same number of distinct noises each") {
  const auto columns = GridAntithetic::columns(with(8, {0.3, 0.7}), 0);
  REQUIRE(columns.size() == 8);
  std::set<std::uint32_t> banks;
  for (const ScoreColumn& column : columns) {
    CHECK((column.time == 0.3 || column.time == 0.7));
    banks.insert(column.bank);
  }
  CHECK(banks.size() == 4);
  CHECK_THROWS_AS(GridAntithetic::columns(with(6, {0.3, 0.7}), 0), InputError);
  CHECK_THROWS_AS(GridAntithetic::columns(with(7), 0), InputError);
  CHECK_THROWS_AS(GridAntithetic::columns(with(0), 0), InputError);
  CHECK_THROWS_AS(Algorithm2::columns(with(3, {0.3, 0.7}), 0), InputError);
  CHECK_THROWS_AS(Algorithm2::columns(with(0), 0), InputError);
}

TEST_CASE("score columns: Algorithm 2 shares times and gives every image its own noise") {
  const auto columns = Algorithm2::columns(with(400), 3);
  const auto fewer = Algorithm2::columns(with(5), 3);
  double mean = 0;
  std::set<std::uint32_t> banks;
  for (const ScoreColumn& column : columns) {
    REQUIRE((column.time > 0 && column.time < 1));
    CHECK_FALSE(column.shared_noise);
    CHECK(column.noise(7).sample == 7);
    mean += column.time / 400;
    banks.insert(column.bank);
  }
  CHECK(banks.size() == 400);
  CHECK(mean == Approx(0.5).margin(4 * 0.289 / 20));
  for (std::size_t j = 0; j < fewer.size(); ++j) {
    CHECK(fewer[j] == columns[j]);
  }
  CHECK(Algorithm2::columns(with(5), 4)[0].time != fewer[0].time);
}

TEST_CASE("score table: the score is the mean of the row, by hand") {
  const auto columns = GridAntithetic::columns(with(4), 0);
  const std::vector<float> losses{1, 3, 2, 4, /**/ 2, 2, 6, 6, /**/ 0, 0, 1, 1};
  const std::vector<std::int32_t> labels{0, 0, 1};
  const auto table = score_table(losses, columns, labels);
  CHECK(table.score == std::vector<double>{2.5, 4, 0.5});
  // Pair means of class 0: (2, 3) and (2, 6); class means (2, 4.5); residuals (0, -1.5) and
  // (0, 1.5). Jackknife of two pairs: deviation of the mean = |r1 - r2| / 2 = .75, times
  // sqrt(2 / 1) for the image's own share in the class mean.
  CHECK(table.standard_error[0] == Approx(0.75 * std::sqrt(2.0)));
  CHECK(table.standard_error[1] == Approx(0.75 * std::sqrt(2.0)));
  CHECK(std::isnan(table.standard_error[2])); // alone in its class
  const std::vector<double> weights{1, 1, 3, 3};
  CHECK(score_table(losses, columns, labels, weights).score == std::vector<double>{2.75, 5, 0.75});
}

TEST_CASE("score table: with one pair there is a score and no standard error") {
  const auto columns = GridAntithetic::columns(with(2), 0);
  const auto table =
      score_table(std::vector<float>{1, 2, 3, 4}, columns, std::vector<std::int32_t>{0, 0});
  CHECK(table.score == std::vector<double>{1.5, 3.5});
  CHECK(std::isnan(table.standard_error[0]));
}

TEST_CASE("score table: the standard error predicts the spread over noises") {
  // Images differ by a fixed amount, every column adds something common to all, every cell adds
  // independent noise of deviation 0.2: the score's distance to its class mean then has deviation
  // 0.2 / sqrt(J) (up to the share of one image in 50), whatever the common part is.
  constexpr std::size_t images = 50;
  constexpr std::size_t width = 16;
  const auto columns = Algorithm2::columns(with(width), 1);
  std::vector<float> losses;
  for (std::uint32_t i = 0; i < images; ++i) {
    for (std::uint32_t j = 0; j < width; ++j) {
      const float common = standard_normals(Draw{.step = j, .sample = 1000}.words(0))[0];
      const float noise = standard_normals(Draw{.step = j, .sample = i}.words(0))[0];
      losses.push_back(0.1f * static_cast<float>(i) + 5 * common + 0.2f * noise);
    }
  }
  const std::vector<std::int32_t> labels(images, 4);
  const auto table = score_table(losses, columns, labels);
  double mean_square = 0;
  for (const double error : table.standard_error) {
    mean_square += error * error / images;
  }
  CHECK(std::sqrt(mean_square) == Approx(0.2 / 4).epsilon(0.08));
  // Equal weights of any size change nothing.
  const std::vector<double> weights(width, 7);
  const auto weighted = score_table(losses, columns, labels, weights);
  for (std::size_t i = 0; i < images; ++i) {
    CHECK(weighted.score[i] == Approx(table.score[i]));
    CHECK(weighted.standard_error[i] == Approx(table.standard_error[i]));
  }
}

TEST_CASE("score table: sizes that disagree and weights that are not positive are refused") {
  const auto columns = GridAntithetic::columns(with(2), 0);
  const std::vector<std::int32_t> labels{0, 0};
  const std::vector<float> losses{1, 2, 3, 4};
  CHECK_THROWS_AS(score_table(std::vector<float>{1, 2, 3}, columns, labels), InputError);
  CHECK_THROWS_AS(score_table(losses, columns, labels, std::vector<double>{1}), InputError);
  CHECK_THROWS_AS(score_table(losses, columns, labels, std::vector<double>{1, 0}), InputError);
  CHECK_THROWS_AS(score_table({}, {}, {}), InputError);
}
