// Oracles: the formulas of the papers written out in float64 by loops; facts about which parameters
// a loss trains.

#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include <catch.hpp>

#include <d2c/core/rng.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/logit_normal_time.hpp>
#include <d2c/diffusion/noise_prediction.hpp>
#include <d2c/diffusion/noise_prediction_tensors.hpp>
#include <d2c/diffusion/objective.hpp>
#include <d2c/diffusion/time_distribution.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;

struct Output {
  Tensor prediction;
  Tensor variance;
};

static_assert(ObjectivePolicy<FlowMatching, Tensor, Output>);
static_assert(ObjectivePolicy<NoisePrediction, Tensor, Output>);
static_assert(TimeDistributionPolicy<UniformTime>);
static_assert(TimeDistributionPolicy<LogitNormalTime>);
static_assert(TimeDistributionPolicy<LogitNormal<std::ratio<-1, 2>, std::ratio<3, 2>>>);
static_assert(LogitNormalTime::name == "LogitNormalTime");
static_assert(LogitNormal<std::ratio<-1, 2>, std::ratio<2>>::name == "LogitNormal<-1/2,2>");

Tensor normals(std::uint32_t step, std::int64_t n = 3) {
  std::vector<std::int64_t> samples;
  for (std::int64_t i = 0; i < n; ++i) {
    samples.push_back(i);
  }
  return random_normal({.seed = 11, .stream = Stream::test, .step = step}, samples, {2, 4, 4});
}

std::vector<double> row(const Tensor& tensor, std::int64_t i) {
  const Tensor flat = tensor.detach()[i].reshape({-1}).to(at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

double value(const Tensor& tensor, std::int64_t i) {
  return tensor[i].item<double>();
}

} // namespace

TEST_CASE("objectives: flow matching is the mean squared velocity error") {
  const Tensor x0 = normals(0);
  const Tensor noise = normals(1);
  const Tensor t = at::tensor({0.125f, 0.5f, 0.875f});
  const Tensor x_t = FlowMatching::diffuse(x0, noise, t);
  const Output out{normals(2), {}};
  const Tensor loss = FlowMatching::loss(out, x0, noise, x_t, t);
  const Tensor error = FlowMatching::noise_error(out, x0, noise, x_t, t);
  REQUIRE(loss.sizes() == at::IntArrayRef({3}));
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto a = row(x0, i);
    const auto e = row(noise, i);
    const auto v = row(out.prediction, i);
    const auto x = row(x_t, i);
    const double time = value(t, i);
    double squares = 0;
    double noise_squares = 0;
    for (std::size_t j = 0; j < a.size(); ++j) {
      REQUIRE(x[j] == Approx((1 - time) * a[j] + time * e[j]).margin(1e-6));
      squares += std::pow(v[j] - (e[j] - a[j]), 2);
      // The noise of (x_t, v): x_t = (1-t) x_0 + t eps and v = eps - x_0 give eps = x_t + (1-t) v.
      noise_squares += std::pow(e[j] - (x[j] + (1 - time) * v[j]), 2);
    }
    CHECK(value(loss, i) == Approx(squares / 32).epsilon(1e-5));
    CHECK(value(error, i) == Approx(noise_squares / 32).epsilon(1e-5));
    // So it is the velocity error times (1 - t)^2.
    CHECK(value(error, i) == Approx((1 - time) * (1 - time) * value(loss, i)).epsilon(1e-4));
  }
  const Output exact{noise - x0, {}};
  CHECK(FlowMatching::loss(exact, x0, noise, x_t, t).max().item<double>() == 0);
  CHECK(FlowMatching::noise_error(exact, x0, noise, x_t, t).max().item<double>() < 1e-12);
}

TEST_CASE("objectives: noise prediction adds the learned-range bound as DiT does") {
  const Tensor x0 = normals(0) * 0.6;
  const Tensor noise = normals(1);
  const Tensor t = at::tensor({0.0f, 1.0f, 700.0f});
  const Tensor x_t = NoisePrediction::diffuse(x0, noise, t);
  const Output out{normals(2) * 0.7, normals(3)};
  const Tensor loss = NoisePrediction::loss(out, x0, noise, x_t, t);
  const auto& schedule = DdpmSchedule::full();
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto s = static_cast<std::size_t>(value(t, i));
    const double bar = schedule.alpha_bar[s];
    const auto a = row(x0, i);
    const auto e = row(noise, i);
    const auto guess = row(out.prediction, i);
    const auto head = row(out.variance, i);
    const auto x = row(x_t, i);
    double squares = 0;
    double bits = 0;
    for (std::size_t j = 0; j < a.size(); ++j) {
      REQUIRE(x[j] == Approx(std::sqrt(bar) * a[j] + std::sqrt(1 - bar) * e[j]).margin(1e-6));
      squares += std::pow(e[j] - guess[j], 2);
      const double share = (head[j] + 1) / 2;
      const double least = schedule.posterior_log_variance_clipped[s];
      const double log_variance = share * std::log(schedule.beta[s]) + (1 - share) * least;
      const double guessed = (x[j] - std::sqrt(1 - bar) * guess[j]) / std::sqrt(bar);
      const double before = schedule.alpha_bar_previous[s];
      const double c1 = schedule.beta[s] * std::sqrt(before) / (1 - bar);
      const double c2 = (1 - before) * std::sqrt(1 - schedule.beta[s]) / (1 - bar);
      const double truth = c1 * a[j] + c2 * x[j];
      const double mean = c1 * guessed + c2 * x[j];
      if (s > 0) {
        bits += 0.5 *
                (-1 + log_variance - least + std::exp(least - log_variance) +
                 (truth - mean) * (truth - mean) * std::exp(-log_variance)) /
                std::numbers::ln2;
      } else {
        const auto cdf = [](double z) {
          return 0.5 *
                 (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (z + 0.044715 * z * z * z)));
        };
        const double scale = std::exp(-0.5 * log_variance);
        const double upper = cdf(scale * (a[j] - mean + 1.0 / 255));
        const double lower = cdf(scale * (a[j] - mean - 1.0 / 255));
        const double mass = a[j] < -0.999 ? upper : a[j] > 0.999 ? 1 - lower : upper - lower;
        bits -= std::log(std::max(mass, 1e-12)) / std::numbers::ln2;
      }
    }
    CHECK(value(loss, i) == Approx((squares + bits) / 32).epsilon(2e-5));
    CHECK(value(NoisePrediction::noise_error(out, x0, noise, x_t, t), i) ==
          Approx(squares / 32).epsilon(1e-5));
    const Output plain{out.prediction, {}};
    CHECK(value(NoisePrediction::loss(plain, x0, noise, x_t, t), i) ==
          Approx(squares / 32).epsilon(1e-5));
  }
}

TEST_CASE("objectives: the bound trains the variance head and nothing else") {
  const Tensor x0 = normals(0);
  const Tensor noise = normals(1);
  const Tensor t = at::tensor({0.0f, 30.0f, 999.0f});
  const Tensor x_t = NoisePrediction::diffuse(x0, noise, t);
  Tensor prediction = normals(2);
  Tensor variance = normals(3);
  prediction.set_requires_grad(true);
  variance.set_requires_grad(true);
  NoisePrediction::loss(Output{prediction, variance}, x0, noise, x_t, t).sum().backward();
  const Tensor expected = 2 * (prediction.detach() - noise) / 32;
  CHECK((prediction.grad() - expected).abs().max().item<double>() < 1e-6);
  CHECK(variance.grad().isfinite().all().item<bool>());
  CHECK(variance.grad().abs().flatten(1).sum(1).min().item<double>() > 0);
}

TEST_CASE("objectives: network times of u") {
  const Tensor u = at::tensor({0x1p-24f, 0.0009f, 0.001f, 0.5f, 1 - 0x1p-24f});
  CHECK(FlowMatching::time(u).equal(u));
  CHECK(NoisePrediction::time(u).equal(at::tensor({0.0f, 0.0f, 1.0f, 500.0f, 999.0f})));
}

TEST_CASE("objectives: times are drawn from their distributions, by sample and step alone") {
  const auto moments = []<class Distribution>() {
    double mean = 0;
    double square = 0;
    constexpr int n = 20000;
    for (int i = 0; i < n; ++i) {
      const double u = Distribution::draw(3, static_cast<std::uint32_t>(i % 100),
                                          static_cast<std::uint32_t>(i / 100));
      REQUIRE((u > 0 && u < 1));
      const double z = std::is_same_v<Distribution, UniformTime> ? u : std::log(u / (1 - u));
      mean += z / n;
      square += z * z / n;
    }
    return std::pair{mean, std::sqrt(square - mean * mean)};
  };
  const auto [mean, deviation] = moments.operator()<UniformTime>();
  CHECK(mean == Approx(0.5).margin(4 * 0.289 / std::sqrt(20000.0)));
  CHECK(deviation == Approx(std::sqrt(1.0 / 12)).epsilon(0.02));
  const auto [logit, spread] =
      moments.operator()<LogitNormal<std::ratio<-1, 2>, std::ratio<3, 2>>>();
  CHECK(logit == Approx(-0.5).margin(4 * 1.5 / std::sqrt(20000.0)));
  CHECK(spread == Approx(1.5).epsilon(0.02));
  CHECK(LogitNormalTime::draw(3, 5, 8) == LogitNormalTime::draw(3, 5, 8));
  CHECK(LogitNormalTime::draw(3, 5, 8) != LogitNormalTime::draw(3, 6, 8));
  CHECK(LogitNormalTime::draw(3, 5, 8) != LogitNormalTime::draw(4, 5, 8));
}
