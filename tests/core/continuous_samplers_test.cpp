// Oracles of this file: fields in closed form. For Gaussian data every sampler is affine, so the
// distribution it reaches is followed exactly, without random numbers, by a state that is itself a
// Gaussian variable; for a mixture of two the exact flow carries quantiles to quantiles.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/diffusion/ddim.hpp>
#include <d2c/diffusion/ddpm.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/dopri5.hpp>
#include <d2c/diffusion/dpm_solver.hpp>
#include <d2c/diffusion/euler.hpp>
#include <d2c/diffusion/euler_maruyama.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/heun.hpp>
#include <d2c/diffusion/sampling_policy.hpp>
#include <d2c/diffusion/sde_heun.hpp>
#include <d2c/diffusion/time_range.hpp>

#include <catch.hpp>

using namespace d2c;

namespace {

/// Data N(m, s^2).
constexpr double m = 0.7;
constexpr double s = 0.4;

/// A Gaussian variable: mean plus independent standard normals with factors.
struct Law {
  double mean = 0;
  std::vector<double> factors;

  [[nodiscard]] double variance() const {
    double sum = 0;
    for (const double factor : factors) {
      sum += factor * factor;
    }
    return sum;
  }
};

Law operator*(Law a, double b) {
  a.mean *= b;
  for (double& factor : a.factors) {
    factor *= b;
  }
  return a;
}

Law operator+(Law a, const Law& b) {
  a.mean += b.mean;
  a.factors.resize(std::max(a.factors.size(), b.factors.size()));
  for (std::size_t i = 0; i < b.factors.size(); ++i) {
    a.factors[i] += b.factors[i];
  }
  return a;
}

Law operator-(const Law& a, const Law& b) {
  return a + b * -1.0;
}

Law operator+(Law a, double b) {
  a.mean += b;
  return a;
}

/// The n-th independent standard normal.
Law fresh(std::size_t n) {
  Law law;
  law.factors.resize(n + 1);
  law.factors[n] = 1;
  return law;
}

/// What a perfect denoiser of the Gaussian answers: affine in x.
template <class T>
T gaussian_answer(const Parametrisation& kind, const T& x, const PathPoint& p) {
  const double variance = p.alpha * p.alpha * s * s + p.sigma * p.sigma;
  const T centred = x + (-p.alpha * m);
  T data = centred * (p.alpha * s * s / variance) + m;
  T noise = centred * (p.sigma / variance);
  switch (kind.target) {
  case TargetKind::velocity:
    return data * p.d_alpha + noise * p.d_sigma;
  case TargetKind::noise:
    return noise;
  case TargetKind::data:
    return data;
  case TargetKind::score:
    return centred * (-1 / variance);
  }
  return x;
}

/// What a perfect denoiser answers for a mixture of N(-1, 0.1^2) and N(1, 0.1^2), 3 to 7.
constexpr double mode_deviation = 0.1;

double mixture_answer(const Parametrisation& kind, double x, const PathPoint& p) {
  const double variance = p.alpha * p.alpha * mode_deviation * mode_deviation + p.sigma * p.sigma;
  const double odds = 0.7 / 0.3 * std::exp(2 * x * p.alpha / variance);
  const double right = odds > 1e300 ? 1 : odds / (1 + odds);
  const double centre = 2 * right - 1; // posterior mean of the mode
  const double gain = p.alpha * mode_deviation * mode_deviation / variance;
  const double data = centre + gain * (x - p.alpha * centre);
  const double noise = p.sigma / variance * (x - p.alpha * centre);
  switch (kind.target) {
  case TargetKind::velocity:
    return data * p.d_alpha + noise * p.d_sigma;
  case TargetKind::noise:
    return noise;
  case TargetKind::data:
    return data;
  case TargetKind::score:
    return -(x - p.alpha * centre) / variance;
  }
  return x;
}

double mixture_share_below(double x, const PathPoint& p) {
  const double deviation =
      std::sqrt(p.alpha * p.alpha * mode_deviation * mode_deviation + p.sigma * p.sigma);
  const auto below = [&](double centre) {
    return 0.5 * std::erfc(-(x - p.alpha * centre) / deviation / std::sqrt(2.0));
  };
  return 0.3 * below(-1) + 0.7 * below(1);
}

/// Where the exact flow of the mixture takes x from `from` to `to`.
double mixture_flow(double x, const PathPoint& from, const PathPoint& to) {
  const double share = mixture_share_below(x, from);
  double low = -8;
  double high = 8;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (mixture_share_below(middle, to) < share ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

/// Where the exact flow of the Gaussian takes x.
double gaussian_flow(double x, const PathPoint& from, const PathPoint& to) {
  const auto deviation = [](const PathPoint& p) {
    return std::sqrt(p.alpha * p.alpha * s * s + p.sigma * p.sigma);
  };
  return (x - from.alpha * m) / deviation(from) * deviation(to) + to.alpha * m;
}

template <class T>
auto gaussian_field(const Parametrisation& kind) {
  auto predict = [kind](const T& x, double t) {
    return Denoised<T>{gaussian_answer(kind, x, path_point(kind.path, t)), {}};
  };
  return Field<T, decltype(predict)>(kind, predict);
}

auto mixture_field(const Parametrisation& kind) {
  auto predict = [kind](double x, double t) {
    return Denoised<double>{mixture_answer(kind, x, path_point(kind.path, t)), {}};
  };
  return Field<double, decltype(predict)>(kind, predict);
}

const auto no_noise = [](std::uint32_t) -> double {
  throw Failure("a deterministic method asked for noise");
};

std::vector<Parametrisation> continuous_kinds() {
  std::vector<Parametrisation> kinds;
  for (const PathKind path : {PathKind::linear, PathKind::gvp, PathKind::vp}) {
    for (const TargetKind target :
         {TargetKind::velocity, TargetKind::noise, TargetKind::data, TargetKind::score}) {
      kinds.push_back({path, target});
    }
  }
  return kinds;
}

/// Whether a method ends at the data end of the time range or with the predicted data.
template <class Method>
constexpr bool ends_clean = std::is_same_v<Method, DDIM> || std::is_same_v<Method, DPMSolver2M>;

/// Largest error over a few starts.
template <class Method>
double flow_error(const Parametrisation& kind, const SamplingOptions& options, bool mixture) {
  const TimeRange range = time_range(kind);
  const PathPoint from = path_point(kind.path, range.noise);
  const PathPoint to = ends_clean<Method> ? clean_point : path_point(kind.path, range.data);
  double worst = 0;
  for (const double x : {-2.0, -0.9, 0.3, 1.7}) {
    double found = 0;
    double expected = 0;
    if (mixture) {
      const auto field = mixture_field(kind);
      found = Method::sample(x, options, field, no_noise);
      expected = mixture_flow(x, from, to);
    } else {
      const auto field = gaussian_field<double>(kind);
      found = Method::sample(x, options, field, no_noise);
      expected = gaussian_flow(x, from, to);
    }
    worst = std::max(worst, std::abs(found - expected));
  }
  return worst;
}

std::string name_of_kind(const Parametrisation& kind) {
  return "path " + std::to_string(static_cast<int>(kind.path)) + ", target " +
         std::to_string(static_cast<int>(kind.target));
}

template <class Method>
Law reached(const Parametrisation& kind, const SamplingOptions& options) {
  const PathPoint start = path_point(kind.path, time_range(kind).noise);
  // The exact distribution at the start of the range, so that what is seen is the method's error.
  const Law x =
      fresh(0) * std::sqrt(start.alpha * start.alpha * s * s + start.sigma * start.sigma) +
      start.alpha * m;
  const auto field = gaussian_field<Law>(kind);
  return Method::sample(x, options, field,
                        [](std::uint32_t step) { return fresh(std::size_t{1} + step); });
}

} // namespace

static_assert(SamplingPolicy<Dopri5, double>);
static_assert(SamplingPolicy<DDIM, double>);
static_assert(SamplingPolicy<DPMSolver2M, double>);
static_assert(SamplingPolicy<SdeHeun, double>);
static_assert(SamplingPolicy<EulerMaruyama, double>);

TEST_CASE("samplers: the exact flow is reached for every path and target") {
  for (const Parametrisation& kind : continuous_kinds()) {
    INFO(name_of_kind(kind));
    for (const bool mixture : {false, true}) {
      INFO("mixture " << mixture);
      const double slack = mixture ? 10 : 1;
      CHECK(flow_error<Dopri5>(kind, {.rtol = 1e-9, .atol = 1e-9}, mixture) < 2e-7 * slack);
      CHECK(flow_error<Euler>(kind, {.steps = 4000}, mixture) < 5e-3 * slack);
      CHECK(flow_error<Heun>(kind, {.steps = 2000}, mixture) < 2e-3 * slack);
      CHECK(flow_error<DDIM>(kind, {.steps = 4000}, mixture) < 5e-3 * slack);
      CHECK(flow_error<DPMSolver2M>(kind, {.steps = 2000}, mixture) < 2e-3 * slack);
    }
  }
}

TEST_CASE("samplers: deterministic methods converge at their order") {
  for (const PathKind path : {PathKind::linear, PathKind::gvp}) {
    const Parametrisation kind{path, TargetKind::velocity};
    INFO(name_of_kind(kind));
    const auto order = [&](auto method, int steps, bool mixture) {
      using Method = decltype(method);
      return std::log2(flow_error<Method>(kind, {.steps = steps}, mixture) /
                       flow_error<Method>(kind, {.steps = 2 * steps}, mixture));
    };
    CHECK(order(Euler{}, 400, false) == Approx(1).margin(0.1));
    CHECK(order(DDIM{}, 400, false) == Approx(1).margin(0.1));
    CHECK(order(Heun{}, 400, false) == Approx(2).margin(0.2));
    // The first-order steps at both ends cost it a logarithm.
    CHECK(order(DPMSolver2M{}, 800, false) == Approx(2).margin(0.25));
    CHECK(order(Heun{}, 1600, true) == Approx(2).margin(0.3));
  }
}

TEST_CASE("samplers: Dormand and Prince's step is of fifth order") {
  for (const PathKind path : {PathKind::linear, PathKind::gvp, PathKind::vp}) {
    const Parametrisation kind{path, TargetKind::velocity};
    const auto field = gaussian_field<double>(kind);
    const auto error = [&](int steps) {
      // Away from the ends, where every path is smooth.
      double worst = 0;
      for (const double start : {-1.0, 0.2, 1.3, 3.0}) {
        double x = start;
        for (int i = 0; i < steps; ++i) {
          x = Dopri5Integrator<double>::step(
              x, 0.9 - 0.7 * i / steps, -0.7 / steps,
              [&](double y, const std::vector<double>& times, const std::vector<std::int64_t>&) {
                return field.velocity(y, times[0]);
              });
        }
        const double exact = gaussian_flow(start, path_point(path, 0.9), path_point(path, 0.2));
        worst = std::max(worst, std::abs(x - exact));
      }
      return worst;
    };
    CHECK(std::log2(error(32) / error(64)) == Approx(5).margin(0.6));
  }
}

TEST_CASE("samplers: the adaptive method meets its tolerance and counts its calls") {
  const Parametrisation kind{PathKind::linear, TargetKind::velocity};
  int calls_before = 0;
  for (const double tolerance : {1e-3, 1e-5, 1e-7}) {
    int calls = 0;
    double last = 1;
    auto predict = [&](double x, double t) {
      ++calls;
      last = std::min(last, t);
      return Denoised<double>{mixture_answer(kind, x, path_point(kind.path, t)), {}};
    };
    const Field<double, decltype(predict)> field(kind, predict);
    const double x = Dopri5::sample(0.3, {.rtol = tolerance, .atol = tolerance}, field, no_noise);
    const double expected = mixture_flow(0.3, path_point(kind.path, 1), path_point(kind.path, 0));
    CHECK(std::abs(x - expected) < 100 * tolerance);
    CHECK(calls > calls_before);
    CHECK((calls - 2) % 6 == 0);
    CHECK(last == 0); // ends at data, not beyond
    calls_before = calls;
    calls = 0;
    last = 1;
    const double other = Dopri5::sample(
        0.3, {.rtol = tolerance, .atol = tolerance, .step_control = StepControl::torchdiffeq},
        field, no_noise);
    CHECK(std::abs(other - expected) < 100 * tolerance);
    CHECK(last <= 0); // asks past the end and interpolates
  }
  auto broken = [](double, double) { return Denoised<double>{std::nan(""), {}}; };
  const Field<double, decltype(broken)> field(kind, broken);
  CHECK_THROWS_AS(Dopri5::sample(0.3, {}, field, no_noise), Failure);
}

TEST_CASE("samplers: stochastic methods reach mean and variance at weak order 1") {
  for (const PathKind path : {PathKind::linear, PathKind::gvp, PathKind::vp}) {
    for (const DiffusionForm form :
         {DiffusionForm::constant, DiffusionForm::sbdm, DiffusionForm::sigma, DiffusionForm::linear,
          DiffusionForm::decreasing, DiffusionForm::increasing_decreasing}) {
      for (const LastStep last : {LastStep::mean, LastStep::euler, LastStep::tweedie}) {
        const Parametrisation kind{path, TargetKind::velocity};
        INFO(name_of_kind(kind) << ", form " << option_name(form) << ", last "
                                << option_name(last));
        // The last step removes noise that the distribution at its start still had; a small one
        // keeps that out of the measure.
        SamplingOptions options{.steps = 1001,
                                .diffusion = form,
                                .diffusion_norm = form == DiffusionForm::sbdm ? 0.5 : 1.0,
                                .last_step = last,
                                .last_step_size = 2e-3};
        const Law law = reached<EulerMaruyama>(kind, options);
        CHECK(law.mean == Approx(m).margin(0.01));
        CHECK(law.variance() == Approx(s * s).margin(0.01));
        const Law heun = reached<SdeHeun>(kind, options);
        CHECK(heun.mean == Approx(m).margin(0.01));
        CHECK(heun.variance() == Approx(s * s).margin(0.01));
      }
    }
  }
}

TEST_CASE("samplers: halving the step halves a stochastic method's weak error") {
  const Parametrisation kind{PathKind::linear, TargetKind::velocity};
  const auto order = [&](auto method, DiffusionForm form, int steps) {
    using Method = decltype(method);
    const auto error = [&](int count) {
      const SamplingOptions options{.steps = count, .diffusion = form, .last_step = LastStep::none};
      return std::abs(reached<Method>(kind, options).variance() - s * s);
    };
    return std::log2(error(steps) / error(2 * steps));
  };
  for (const DiffusionForm form : {DiffusionForm::sigma, DiffusionForm::linear}) {
    CHECK(order(EulerMaruyama{}, form, 400) == Approx(1).margin(0.15));
    CHECK(order(SdeHeun{}, form, 1600) == Approx(1).margin(0.15));
  }
}

TEST_CASE("samplers: the six diffusion coefficients are SiT's") {
  // By hand at t = 0.25 of the linear path (alpha 0.75, sigma 0.25), norm 2.
  const PathPoint p = path_point(PathKind::linear, 0.25);
  const auto value = [&](DiffusionForm form) { return diffusion_coefficient(form, 2, p, 0.25); };
  CHECK(value(DiffusionForm::constant) == 2);
  CHECK(value(DiffusionForm::sbdm) == Approx(2 * 0.25 / 0.75)); // t / (1 - t)
  CHECK(value(DiffusionForm::sigma) == Approx(0.5));
  CHECK(value(DiffusionForm::linear) == Approx(0.5));
  CHECK(value(DiffusionForm::decreasing) ==
        Approx(0.25 * std::pow(2 * std::cos(0.75 * std::acos(-1.0)) + 1, 2)));
  CHECK(value(DiffusionForm::increasing_decreasing) == Approx(2 * 0.5));
  // SBDM on the VP path is beta / 2.
  const double t = 0.6;
  CHECK(diffusion_coefficient(DiffusionForm::sbdm, 1, path_point(PathKind::vp, t), t) ==
        Approx(0.5 * (0.1 + t * 19.9)));
}

TEST_CASE("samplers: a stochastic step and the last steps by hand") {
  const Parametrisation kind{PathKind::linear, TargetKind::velocity};
  auto predict = [](double x, double t) { return Denoised<double>{0.3 * x - t, {}}; };
  const Field<double, decltype(predict)> field(kind, predict);
  const auto noise = [](std::uint32_t) { return 0.5; };
  // From t = 1 to 0.6 with w = 2 t^0 (constant 2): v = 0.3 x - 1, eps = x + (1 - t) v = x at t = 1.
  const double x1 = 0.8 + (0.3 * 0.8 - 1 + 2 * 0.8) * -0.4 + std::sqrt(2 * 2 * 0.4) * 0.5;
  const double v = 0.3 * x1 - 0.6;
  const double eps = x1 + 0.4 * v;
  SamplingOptions options{.steps = 2,
                          .diffusion = DiffusionForm::constant,
                          .diffusion_norm = 2,
                          .last_step = LastStep::mean,
                          .last_step_size = 0.6};
  CHECK(EulerMaruyama::sample(0.8, options, field, noise) ==
        Approx(x1 - 0.6 * (v + 2 / 0.6 * eps)));
  options.last_step = LastStep::euler;
  CHECK(EulerMaruyama::sample(0.8, options, field, noise) == Approx(x1 - 0.6 * v));
  options.last_step = LastStep::tweedie;
  CHECK(EulerMaruyama::sample(0.8, options, field, noise) == Approx(x1 - 0.6 * v)); // x_0 = x - t v
  // Heun: noise first, then the trapezoid.
  const double noisy = 0.8 + std::sqrt(2 * 2 * 0.4) * 0.5;
  const auto drift = [](double x, double t) {
    const double velocity = 0.3 * x - t;
    return velocity + 2 / t * (x + (1 - t) * velocity);
  };
  const double guess = noisy - 0.4 * drift(noisy, 1);
  const double x2 = noisy - 0.2 * (drift(noisy, 1) + drift(guess, 0.6));
  CHECK(SdeHeun::sample(0.8, options, field, noise) == Approx(x2 - 0.6 * (0.3 * x2 - 0.6)));
}

TEST_CASE("samplers: DDIM without noise is Euler's method on the linear path") {
  const Parametrisation kind{PathKind::linear, TargetKind::velocity};
  const auto field = mixture_field(kind);
  for (const double shift : {1.0, 3.0}) {
    const SamplingOptions options{.steps = 17, .time_shift = shift};
    CHECK(DDIM::sample(0.4, options, field, no_noise) ==
          Approx(Euler::sample(0.4, options, field, no_noise)).epsilon(1e-12));
  }
}

TEST_CASE("samplers: DDIM with full noise is DDPM without a variance head") {
  const Parametrisation kind{PathKind::ddpm_linear, TargetKind::noise};
  auto predict = [](double x, double t) {
    return Denoised<double>{0.8 * std::sin(x + 0.001 * t), {}};
  };
  const Field<double, decltype(predict)> field(kind, predict);
  const auto noise = [](std::uint32_t step) {
    return double{standard_normals(
        Draw{.seed = 3, .stream = Stream::sampler_noise, .step = step}.words(0))[0]};
  };
  for (const int steps : {10, 250}) {
    const double ddpm = DDPM::sample(0.4, {.steps = steps}, field, noise);
    const double ddim = DDIM::sample(0.4, {.steps = steps, .eta = 1}, field, noise);
    CHECK(ddim == Approx(ddpm).epsilon(1e-9));
  }
}

TEST_CASE("samplers: DDIM with noise reaches mean and variance on every path") {
  for (const PathKind path : {PathKind::linear, PathKind::gvp, PathKind::vp}) {
    for (const double eta : {0.5, 1.0}) {
      const Law law = reached<DDIM>({path, TargetKind::velocity}, {.steps = 1000, .eta = eta});
      CHECK(law.mean == Approx(m).margin(2e-3));
      CHECK(law.variance() == Approx(s * s).margin(4e-3));
    }
  }
  for (const int steps : {500, 1000}) {
    const Parametrisation kind{PathKind::ddpm_linear, TargetKind::noise};
    auto predict = [&](const Law& x, double t) {
      return Denoised<Law>{gaussian_answer(kind, x, path_point(kind.path, t)), {}};
    };
    const Field<Law, decltype(predict)> field(kind, predict);
    const auto noise = [](std::uint32_t step) { return fresh(std::size_t{1} + step); };
    for (const StepSpacing spacing : {StepSpacing::respaced, StepSpacing::leading,
                                      StepSpacing::trailing, StepSpacing::linspace}) {
      for (const double eta : {0.0, 1.0}) {
        const Law law =
            DDIM::sample(fresh(0), {.steps = steps, .eta = eta, .spacing = spacing}, field, noise);
        CHECK(law.mean == Approx(m).margin(0.01));
        CHECK(law.variance() == Approx(s * s).margin(0.01));
      }
      const Law law =
          DPMSolver2M::sample(fresh(0), {.steps = steps, .spacing = spacing}, field, noise);
      CHECK(law.mean == Approx(m).margin(0.01));
      CHECK(law.variance() == Approx(s * s).margin(0.01));
    }
  }
}

TEST_CASE("samplers: stochastic chains reach both modes in their shares") {
  const Parametrisation kind{PathKind::linear, TargetKind::velocity};
  const auto field = mixture_field(kind);
  constexpr std::uint32_t chains = 2000;
  double right = 0;
  double spread = 0;
  for (std::uint32_t i = 0; i < chains; ++i) {
    const auto normal = [&](Stream stream, std::uint32_t step) {
      return double{standard_normals(
          Draw{.seed = 5, .stream = stream, .step = step, .sample = i}.words(0))[0]};
    };
    const double x = EulerMaruyama::sample(
        normal(Stream::sampler_start, 0), {.steps = 250, .last_step_size = 0.01}, field,
        [&](std::uint32_t step) { return normal(Stream::sampler_noise, step); });
    right += x > 0 ? 1 : 0;
    spread += std::pow(std::abs(x) - 1, 2);
  }
  CHECK(right / chains == Approx(0.7).margin(4 * std::sqrt(0.21 / chains)));
  CHECK(std::sqrt(spread / chains) == Approx(mode_deviation).margin(0.01));
}

TEST_CASE("samplers: the spacings visit the steps that their names promise") {
  // By hand; diffusers' DDIM rules for the last three.
  const auto steps = [](StepSpacing spacing, int count) {
    return spaced_steps(spacing, count, 1000);
  };
  CHECK(steps(StepSpacing::leading, 4) == std::vector<int>{0, 250, 500, 750});
  CHECK(steps(StepSpacing::trailing, 4) == std::vector<int>{249, 499, 749, 999});
  CHECK(steps(StepSpacing::linspace, 4) == std::vector<int>{0, 333, 666, 999});
  CHECK(steps(StepSpacing::respaced, 4) == std::vector<int>{0, 333, 666, 999});
  CHECK(steps(StepSpacing::leading, 1) == std::vector<int>{0});
  CHECK(steps(StepSpacing::trailing, 3) == std::vector<int>{332, 666, 999});
}

TEST_CASE("samplers: options that the new methods cannot honour are refused in a sentence") {
  const Parametrisation flow{PathKind::linear, TargetKind::velocity};
  const Parametrisation ddpm{PathKind::ddpm_linear, TargetKind::noise};
  const auto says = [](const std::string& refusal, const char* words) {
    INFO(refusal);
    return refusal.find(words) != std::string::npos;
  };
  CHECK(Dopri5::refusal({}, flow).empty());
  CHECK(says(Dopri5::refusal({}, ddpm), "continuous path"));
  CHECK(says(Dopri5::refusal({.rtol = -1}, flow), "tolerance"));
  CHECK(says(Dopri5::refusal({.rtol = 0, .atol = 0}, flow), "positive tolerance"));
  CHECK(says(Dopri5::refusal({.time_shift = 2}, flow), "time shift"));
  CHECK(EulerMaruyama::refusal({.steps = 250, .time_shift = 2}, flow).empty());
  CHECK(says(EulerMaruyama::refusal({.steps = 1}, flow), "at least 2"));
  CHECK(says(EulerMaruyama::refusal({.last_step_size = 0}, flow), "last step"));
  CHECK(says(SdeHeun::refusal({.diffusion_norm = -1}, flow), "diffusion norm"));
  CHECK(says(SdeHeun::refusal({}, ddpm), "SdeHeun needs a denoiser of a continuous path"));
  CHECK(DDIM::refusal({.steps = 50, .eta = 1}, ddpm).empty());
  CHECK(DDIM::refusal({.steps = 50}, flow).empty());
  CHECK(says(DDIM::refusal({.eta = 1.5}, ddpm), "eta"));
  CHECK(says(DDIM::refusal({.steps = 1001}, ddpm), "1001"));
  CHECK(says(DDIM::refusal({.spacing = StepSpacing::leading}, flow), "spacing"));
  CHECK(says(DPMSolver2M::refusal({.steps = 20, .time_shift = 2}, ddpm), "time shift"));
  CHECK(DPMSolver2M::refusal({.steps = 20, .time_shift = 2}, flow).empty());
}
