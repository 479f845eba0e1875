#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <d2c/core/rng.hpp>
#include <d2c/diffusion/ddpm.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/euler.hpp>
#include <d2c/diffusion/euler_maruyama.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/diffusion/heun.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/diffusion/sampling_policy.hpp>
#include <d2c/diffusion/time_grid.hpp>

#include <catch.hpp>

// Oracle of this file: Gaussian data N(m, s^2) in one dimension, whose best denoiser is known in
// closed form, so the distribution a perfect solver must reach is known as well.

using namespace d2c;

namespace {

constexpr double m = 0.7;
constexpr double s = 0.4;

double variance_at(double t) {
  return (1 - t) * (1 - t) * s * s + t * t;
}

/// E[eps - x_0 | x_t = x] on the linear path.
double velocity(double x, double t) {
  const double slope = (t - (1 - t) * s * s) / variance_at(t);
  return slope * (x - (1 - t) * m) - m;
}

/// E[eps | x_t = x] at DDPM's integer time.
double noise_of(double x, double index) {
  const double bar = DdpmSchedule::full().alpha_bar[static_cast<std::size_t>(index)];
  return std::sqrt(1 - bar) * (x - std::sqrt(bar) * m) / (bar * s * s + 1 - bar);
}

/// Where the exact flow takes noise x.
double exact_flow(double x) {
  return m + s * x;
}

constexpr Parametrisation flow{PathKind::linear, TargetKind::velocity};
constexpr Parametrisation ddpm{PathKind::ddpm_linear, TargetKind::noise};

/// The denoiser as the method wants it: DDPM a noise, the others a velocity.
template <class Method, class Denoise>
auto field_for(Denoise denoise) {
  return make_field<double>(std::is_same_v<Method, DDPM> ? ddpm : flow, denoise);
}

struct Moments {
  double mean = 0;
  double deviation = 0;
};

/// Moments of the method's output over `count` chains with counter-based noise.
template <class Method, class Denoise>
Moments moments(const SamplingOptions& options, Denoise denoise, std::uint32_t count) {
  double sum = 0;
  double squares = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto normal = [&](Stream stream, std::uint32_t step) {
      return double{standard_normals(
          Draw{.seed = 5, .stream = stream, .step = step, .sample = i}.words(0))[0]};
    };
    const double x =
        Method::sample(normal(Stream::sampler_start, 0), options, field_for<Method>(denoise),
                       [&](std::uint32_t step) { return normal(Stream::sampler_noise, step); });
    sum += x;
    squares += x * x;
  }
  const double mean = sum / count;
  return {mean, std::sqrt(squares / count - mean * mean)};
}

const auto no_noise = [](std::uint32_t) -> double {
  throw Failure("an ODE solver asked for noise");
};

template <class Method>
double flow_error(int steps, double shift = 1) {
  const auto denoise = [](double x, double t) { return Denoised<double>{velocity(x, t), {}}; };
  double worst = 0;
  for (const double x : {-2.0, -0.5, 0.3, 1.7}) {
    const double found = Method::sample(x, {.steps = steps, .time_shift = shift},
                                        field_for<Method>(denoise), no_noise);
    worst = std::max(worst, std::abs(found - exact_flow(x)));
  }
  return worst;
}

} // namespace

static_assert(SamplingPolicy<Euler, double>);
static_assert(SamplingPolicy<Heun, double>);
static_assert(SamplingPolicy<EulerMaruyama, double>);
static_assert(SamplingPolicy<DDPM, double>);

TEST_CASE("sampling: Euler converges to the exact flow at first order") {
  const double coarse = flow_error<Euler>(200);
  const double fine = flow_error<Euler>(400);
  CHECK(fine < 5e-3);
  CHECK(coarse / fine == Approx(2).epsilon(0.05));
}

TEST_CASE("sampling: Heun converges to the exact flow at second order") {
  const double coarse = flow_error<Heun>(100);
  const double fine = flow_error<Heun>(200);
  CHECK(fine < 1e-4);
  CHECK(coarse / fine == Approx(4).epsilon(0.1));
  CHECK(flow_error<Heun>(100, 2.0) < 1e-3);
}

TEST_CASE("sampling: Heun asks the network 2 N - 1 times, Euler N times, never at t = 0") {
  for (const int steps : {1, 2, 7}) {
    std::vector<double> times;
    const auto count = [&](double x, double t) {
      times.push_back(t);
      return Denoised<double>{velocity(x, t), {}};
    };
    (void)Heun::sample(0.1, {.steps = steps}, field_for<Heun>(count), no_noise);
    CHECK(times.size() == static_cast<std::size_t>(2 * steps - 1));
    CHECK(*std::min_element(times.begin(), times.end()) > 0);
    times.clear();
    (void)Euler::sample(0.1, {.steps = steps}, field_for<Euler>(count), no_noise);
    CHECK(times.size() == static_cast<std::size_t>(steps));
    CHECK(times.front() == 1.0);
    CHECK(times.back() > 0);
  }
}

TEST_CASE("sampling: the shifted time grid keeps its ends and spends steps at high noise") {
  const auto grid = time_grid({.steps = 4, .time_shift = 2});
  // By hand: 2 t / (1 + t) of 1, .75, .5, .25, 0.
  const std::vector<double> expected{1, 1.5 / 1.75, 1 / 1.5, 0.5 / 1.25, 0};
  REQUIRE(grid.size() == expected.size());
  for (std::size_t i = 0; i < grid.size(); ++i) {
    CHECK(grid[i] == Approx(expected[i]).margin(1e-15));
  }
  CHECK(grid.front() == 1);
  CHECK(grid.back() == 0);
}

TEST_CASE("sampling: Euler-Maruyama reaches the data distribution") {
  const auto denoise = [](double x, double t) { return Denoised<double>{velocity(x, t), {}}; };
  constexpr std::uint32_t chains = 20000;
  const auto found = moments<EulerMaruyama>({.steps = 250}, denoise, chains);
  // Four standard errors of the chains, plus the solver's own first-order error.
  CHECK(std::abs(found.mean - m) < 4 * s / std::sqrt(double{chains}) + 0.004);
  CHECK(std::abs(found.deviation - s) < 4 * s / std::sqrt(2.0 * chains) + 0.008);
}

TEST_CASE("sampling: Euler-Maruyama follows REPA's grid and ends without noise") {
  std::vector<double> times;
  std::vector<std::uint32_t> noisy;
  const auto x =
      EulerMaruyama::sample(0.5, {.steps = 5}, field_for<EulerMaruyama>([&](double, double t) {
                              times.push_back(t);
                              return Denoised<double>{0.25, {}};
                            }),
                            [&](std::uint32_t step) {
                              noisy.push_back(step);
                              return 0.5;
                            });
  REQUIRE(times.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(times[i] == Approx(1 - 0.24 * static_cast<double>(i)));
  }
  CHECK(noisy == std::vector<std::uint32_t>{0, 1, 2, 3});
  // The published form, written out: drift v - w/2 score with w = 2 t and
  // score = (-(1 - t) v - x) / t, noise sqrt(w |dt|).
  double y = 0.5;
  for (int i = 0; i < 5; ++i) {
    const double t = 1 - 0.24 * i;
    const double dt = i == 4 ? -0.04 : -0.24;
    const double score = (-(1 - t) * 0.25 - y) / t;
    y += (0.25 - 0.5 * 2 * t * score) * dt;
    y += i == 4 ? 0 : std::sqrt(2 * t) * std::sqrt(0.24) * 0.5;
  }
  CHECK(x == Approx(y).epsilon(1e-12));
}

TEST_CASE("sampling: DDPM reaches the data distribution, thinned or whole") {
  const auto denoise = [](double x, double t) { return Denoised<double>{noise_of(x, t), {}}; };
  constexpr std::uint32_t chains = 4000;
  for (const int steps : {250, 1000}) {
    const auto found = moments<DDPM>({.steps = steps}, denoise, chains);
    CHECK(std::abs(found.mean - m) < 4 * s / std::sqrt(double{chains}) + 0.004);
    CHECK(std::abs(found.deviation - s) < 4 * s / std::sqrt(2.0 * chains) + 0.01);
  }
}

TEST_CASE("sampling: the exact learned variance makes DDPM exact at few steps") {
  // For Gaussian data the reverse step is Gaussian with a known variance that lies between the two
  // ends of the learned range; a head that says so gives the right spread with ten steps already,
  // where the posterior's variance alone is too narrow.
  const int steps = 10;
  const auto schedule = DdpmSchedule::respaced(steps);
  const auto plain = [](double x, double t) { return Denoised<double>{noise_of(x, t), {}}; };
  const auto learned = [&](double x, double t) {
    std::size_t i = 0;
    while (schedule.network_time[i] != static_cast<int>(t)) {
      ++i;
    }
    const double bar = schedule.alpha_bar[i];
    const double data_variance = s * s * (1 - bar) / (bar * s * s + 1 - bar); // of x_0 given x_t
    const double weight = schedule.posterior_data_weight[i];
    const double exact = schedule.posterior_variance[i] + weight * weight * data_variance;
    const double least = schedule.posterior_log_variance_clipped[i];
    const double share = (std::log(exact) - least) / (schedule.log_beta[i] - least);
    return Denoised<double>{noise_of(x, t), 2 * share - 1};
  };
  constexpr std::uint32_t chains = 20000;
  const double tolerance = 4 * s / std::sqrt(2.0 * chains) + 2e-4;
  const auto exact = moments<DDPM>({.steps = steps}, learned, chains);
  const auto narrow = moments<DDPM>({.steps = steps}, plain, chains);
  // The last step has no noise: what is missing is the variance of x_0 given the first state.
  const double bar = schedule.alpha_bar[0];
  const double missing = s * s * (1 - bar) / (bar * s * s + 1 - bar);
  CHECK(std::abs(exact.deviation - std::sqrt(s * s - missing)) < tolerance);
  CHECK(narrow.deviation < exact.deviation - 0.02);
}

TEST_CASE("sampling: options that a method cannot honour are refused in a sentence") {
  CHECK(Euler::refusal({.steps = 12, .time_shift = 2}, flow).empty());
  CHECK(Euler::refusal({.steps = 0}, flow).find("found 0") != std::string::npos);
  CHECK(Heun::refusal({.steps = 4, .time_shift = 0}, flow).find("time shift") != std::string::npos);
  CHECK(EulerMaruyama::refusal({.steps = 250}, flow).empty());
  CHECK(EulerMaruyama::refusal({.steps = 250, .time_shift = 2}, flow).empty());
  CHECK_FALSE(EulerMaruyama::refusal({.steps = 1}, flow).empty());
  CHECK(DDPM::refusal({.steps = 1001}, ddpm).find("1001") != std::string::npos);
  CHECK_FALSE(DDPM::refusal({.steps = 250, .time_shift = 0.3}, ddpm).empty());
  CHECK(Euler::refusal({.steps = 12}, ddpm).find("DDPM schedule") != std::string::npos);
  CHECK(Heun::refusal({.steps = 12}, ddpm).find("Heun") == 0);
  CHECK(EulerMaruyama::refusal({.steps = 250}, {PathKind::ddpm_cosine, TargetKind::noise}) != "");
  CHECK(DDPM::refusal({.steps = 250}, flow).find("\"linear\"") != std::string::npos);
  CHECK(Guidance{1.5, 0.0, 0.7}.refusal().empty());
  CHECK_FALSE(Guidance{1.5, 0.7, 0.2}.refusal().empty());
  CHECK_FALSE(Guidance{-1.0, 0.0, 1.0}.refusal().empty());
}
