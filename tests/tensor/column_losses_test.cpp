// Oracle: a linear denoiser, for which the expected loss of an image is known in closed form.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include <catch.hpp>

#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/noise_prediction.hpp>
#include <d2c/score/algorithm2.hpp>
#include <d2c/score/column_losses.hpp>
#include <d2c/score/grid_antithetic.hpp>
#include <d2c/score/score_table.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;

constexpr std::array<std::int64_t, 3> shape{1, 4, 4};
constexpr std::int64_t pixels = 16;
constexpr std::int64_t images = 70;

struct Output {
  Tensor prediction;
  Tensor variance;
};

/// A matrix without structure, the same in every run.
Tensor matrix() {
  constexpr std::array<std::int64_t, 1> any{0};
  return random_normal({.step = 900}, any, {pixels, pixels})[0] * 0.2;
}

/// v = B x: as far from a real denoiser as one likes, but linear.
struct LinearVelocity {
  Tensor transposed = matrix().t().contiguous();

  Output operator()(const Tensor& x, const Tensor&, const Tensor&) const {
    return {x.flatten(1).matmul(transposed).view_as(x), {}};
  }
};

struct World {
  std::vector<std::int64_t> samples = std::vector<std::int64_t>(images);
  std::vector<std::int64_t> labels = std::vector<std::int64_t>(images, 0);
  Tensor x0;

  World() {
    std::iota(samples.begin(), samples.end(), 0);
    x0 = random_normal({.step = 901}, samples, shape);
  }
};

/// E[l | x, t] over the noise: with A = I + (1 - t) B the residual is (I - t A) eps - (1 - t) A x,
/// so tr((I - t A)'(I - t A)) / d + (1 - t)^2 |A x|^2 / d. Float64, [images].
Tensor expected_loss(const Tensor& x0, double t, bool with_trace) {
  const Tensor identity = at::eye(pixels, at::kDouble);
  const Tensor a = identity + (1 - t) * matrix().to(at::kDouble);
  const Tensor moved = x0.flatten(1).to(at::kDouble).matmul(a.t());
  const Tensor trace = (identity - t * a).square().sum() / pixels;
  const Tensor own = (1 - t) * (1 - t) * moved.square().sum(1) / pixels;
  return with_trace ? own + trace : own;
}

std::vector<float> flat(const Tensor& losses) {
  const Tensor whole = losses.contiguous();
  return {whole.const_data_ptr<float>(), whole.const_data_ptr<float>() + whole.numel()};
}

ScoreConfig with(std::int64_t columns) {
  ScoreConfig config;
  config.columns = columns;
  return config;
}

template <class Estimator>
std::vector<double> scores(const World& world, std::int64_t columns, std::uint64_t seed) {
  const LinearVelocity network;
  const ColumnLosses<FlowMatching, LinearVelocity> losses(
      network, Estimator::columns(with(columns), seed), shape, at::kCPU);
  return score_table(flat(losses(world.x0, world.labels, world.samples)), losses.columns(),
                     std::vector<std::int32_t>(images, 0))
      .score;
}

std::vector<std::size_t> order(const std::vector<double>& values) {
  std::vector<std::size_t> ranks(values.size());
  std::iota(ranks.begin(), ranks.end(), std::size_t{0});
  std::sort(ranks.begin(), ranks.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  return ranks;
}

std::vector<double> exact_own_part(const World& world, int pairs) {
  Tensor sum = at::zeros({images}, at::kDouble);
  for (int q = 0; q < pairs; ++q) {
    sum += expected_loss(world.x0, (q + 0.5) / pairs, false) / pairs;
  }
  return {sum.const_data_ptr<double>(), sum.const_data_ptr<double>() + images};
}

} // namespace

TEST_CASE("column losses: shared antithetic noise ranks a linear world exactly") {
  const World world;
  for (const int pairs : {1, 4}) {
    const auto exact = exact_own_part(world, pairs);
    const auto found = scores<GridAntithetic>(world, 2 * pairs, 5);
    CHECK(order(found) == order(exact));
    // Not only the order: all differences between images are exact, with a single noise per time.
    for (std::size_t i = 1; i < exact.size(); ++i) {
      REQUIRE(found[i] - found[0] == Approx(exact[i] - exact[0]).margin(1e-5));
    }
  }
  // The same budget with fresh noise per image does not rank it: the check above can fail.
  CHECK(order(scores<Algorithm2>(world, 8, 5)) != order(exact_own_part(world, 4)));
}

TEST_CASE("column losses: Algorithm 2 is unbiased for the mean loss under uniform t") {
  const World world;
  // Integral over t by the midpoint rule with many points.
  Tensor exact = at::zeros({images}, at::kDouble);
  constexpr int points = 400;
  for (int q = 0; q < points; ++q) {
    exact += expected_loss(world.x0, (q + 0.5) / points, true) / points;
  }
  // Independent repeats with other seeds; their spread gives the standard error.
  constexpr int repeats = 60;
  std::vector<double> mean(images, 0);
  std::vector<double> square(images, 0);
  for (int r = 0; r < repeats; ++r) {
    const auto found = scores<Algorithm2>(world, 8, static_cast<std::uint64_t>(100 + r));
    for (std::size_t i = 0; i < found.size(); ++i) {
      mean[i] += found[i] / repeats;
      square[i] += found[i] * found[i] / repeats;
    }
  }
  double chi = 0;
  for (std::size_t i = 0; i < mean.size(); ++i) {
    const double error = std::sqrt((square[i] - mean[i] * mean[i]) / (repeats - 1));
    const double z = (mean[i] - exact[static_cast<std::int64_t>(i)].item<double>()) / error;
    CHECK(std::abs(z) < 5);
    chi += z * z / images;
  }
  CHECK(chi < 4); // times are shared by the images of a repeat, so the 70 values are dependent
}

TEST_CASE("column losses: a loss depends on image, column and seed, not on batch or threads") {
  const World world;
  const LinearVelocity network;
  auto columns = GridAntithetic::columns(with(4), 5);
  const auto own = Algorithm2::columns(with(3), 5);
  columns.insert(columns.end(), own.begin(), own.end());
  // An elementwise network, so that no matrix product rounds differently with the batch.
  const auto halves = [](const Tensor& x, const Tensor& t, const Tensor& labels) {
    return Output{0.5 * x + (t + labels.to(at::kFloat)).view({-1, 1, 1, 1}), {}};
  };
  const ColumnLosses<FlowMatching, decltype(halves)> losses(halves, columns, shape, at::kCPU);
  const Tensor whole = losses(world.x0, world.labels, world.samples);
  REQUIRE(whole.sizes() == at::IntArrayRef({images, 7}));
  const std::span<const std::int64_t> samples(world.samples);
  const std::span<const std::int64_t> labels(world.labels);
  const Tensor head = losses(world.x0.narrow(0, 0, 13), labels.first(13), samples.first(13));
  const Tensor tail =
      losses(world.x0.narrow(0, 13, images - 13), labels.subspan(13), samples.subspan(13));
  CHECK(whole.equal(at::cat({head, tail})));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  CHECK(whole.equal(losses(world.x0, world.labels, world.samples)));
  at::set_num_threads(threads);
  const std::vector<std::int64_t> others(images, 1);
  CHECK_FALSE(whole.equal(losses(world.x0, others, world.samples)));
}

TEST_CASE("column losses: noise prediction is told integer times and scored by its noise error") {
  const World world;
  std::vector<double> times;
  const auto zero = [&](const Tensor& x, const Tensor& t, const Tensor&) {
    if (times.size() < 2) {
      times.push_back(t[0].item<double>());
    }
    return Output{at::zeros_like(x), at::zeros_like(x)};
  };
  auto columns = GridAntithetic::columns(with(4), 5);
  columns = {columns[0], columns[2]};
  const ColumnLosses<NoisePrediction, decltype(zero)> losses(zero, columns, shape, at::kCPU);
  const Tensor found = losses(world.x0.narrow(0, 0, 2), std::vector<std::int64_t>{0, 0},
                              std::vector<std::int64_t>{0, 1});
  CHECK(times == std::vector<double>{250, 750});
  // A network that answers 0: the loss is the mean square of the noise, equal for all images.
  constexpr std::array<std::int64_t, 1> any{0};
  for (std::int64_t j = 0; j < 2; ++j) {
    const Tensor noise = random_normal(columns[static_cast<std::size_t>(j)].noise(0), any, shape);
    CHECK(found[0][j].item<float>() == Approx(noise.square().mean().item<float>()));
    CHECK(found[0][j].item<float>() == found[1][j].item<float>());
  }
}
