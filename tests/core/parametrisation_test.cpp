// Oracles: finite differences, the definitions of the paths, values of the published schedules,
// and the law that converting there and back changes nothing.

#include <cmath>
#include <cstddef>
#include <limits>
#include <ratio>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/core/error.hpp>
#include <d2c/diffusion/convert.hpp>
#include <d2c/diffusion/cosine_schedule.hpp>
#include <d2c/diffusion/ddpm_matching.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/gvp_path.hpp>
#include <d2c/diffusion/learned_range.hpp>
#include <d2c/diffusion/likelihood_weight.hpp>
#include <d2c/diffusion/linear_path.hpp>
#include <d2c/diffusion/linear_schedule.hpp>
#include <d2c/diffusion/logit_normal_time.hpp>
#include <d2c/diffusion/min_snr.hpp>
#include <d2c/diffusion/noise_prediction.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_matching.hpp>
#include <d2c/diffusion/path_point.hpp>
#include <d2c/diffusion/predict_data.hpp>
#include <d2c/diffusion/predict_noise.hpp>
#include <d2c/diffusion/predict_score.hpp>
#include <d2c/diffusion/resolution_shift.hpp>
#include <d2c/diffusion/shifted_time.hpp>
#include <d2c/diffusion/training_range.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/diffusion/velocity_weight.hpp>
#include <d2c/diffusion/vp_path.hpp>
#include <d2c/train/policy.hpp>

namespace {

using namespace d2c;

constexpr PathKind continuous[] = {PathKind::linear, PathKind::gvp, PathKind::vp};
constexpr PathKind discrete[] = {PathKind::ddpm_linear, PathKind::ddpm_cosine};
constexpr TargetKind targets[] = {TargetKind::velocity, TargetKind::noise, TargetKind::data,
                                  TargetKind::score};

/// Times inside every path.
std::vector<double> times(PathKind path) {
  return is_discrete(path) ? std::vector<double>{0, 1, 250, 500, 998}
                           : std::vector<double>{0.01, 0.2, 0.5, 0.9, 0.99};
}

double target_of(TargetKind target, const PathPoint& at, double x0, double eps) {
  switch (target) {
  case TargetKind::velocity:
    return at.d_alpha * x0 + at.d_sigma * eps;
  case TargetKind::noise:
    return eps;
  case TargetKind::data:
    return x0;
  case TargetKind::score:
    return -eps / at.sigma;
  }
  return 0;
}

using Gvp = PathMatching<GvpPath, PredictNoise, LikelihoodWeight>;
static_assert(ObjectiveFacts<Gvp>);
static_assert(ObjectiveFacts<PathMatching<LinearPath>>);
static_assert(ObjectiveFacts<DdpmMatching<CosineSchedule>>);
static_assert(Gvp::name == "PathMatching<GvpPath,PredictNoise,LikelihoodWeight>");
static_assert(PathMatching<VpPath>::name == "PathMatching<VpPath,PredictVelocity>");
static_assert(Gvp::parametrisation == Parametrisation{PathKind::gvp, TargetKind::noise});
static_assert(DdpmMatching<LinearSchedule, PredictVelocity, MinSnr<5>>::name ==
              "DdpmMatching<LinearSchedule,PredictVelocity,MinSnr<5>>");
static_assert(DdpmMatching<CosineSchedule>::name == "DdpmMatching<CosineSchedule,PredictNoise>");
static_assert(DdpmMatching<CosineSchedule, PredictNoise, Unweighted, LearnedRange>::name ==
              "DdpmMatching<CosineSchedule,PredictNoise,Unweighted,LearnedRange>");
static_assert(FlowMatching::parametrisation == default_parametrisation(Family::sit));
static_assert(NoisePrediction::parametrisation == default_parametrisation(Family::dit));
static_assert(ShiftedTime<LogitNormalTime, std::ratio<3, 2>>::name ==
              "ShiftedTime<LogitNormalTime,3/2>");
static_assert(ShiftedTime<UniformTime, ResolutionShift<16384>>::name ==
              "ShiftedTime<UniformTime,ResolutionShift<16384,4096>>");

} // namespace

TEST_CASE("parametrisation: its text is read back, other texts are not") {
  for (std::size_t path = 0; path < option_names<PathKind>.size(); ++path) {
    for (const TargetKind target : targets) {
      const Parametrisation parametrisation{static_cast<PathKind>(path), target};
      CHECK(parametrisation_from_text(parametrisation_text(parametrisation)) == parametrisation);
    }
  }
  CHECK(parametrisation_text({PathKind::ddpm_cosine, TargetKind::data}) == "ddpm-cosine data");
  for (const char* text : {"", "linear", "linear ", " noise", "linear  noise", "linear noise ",
                           "Linear noise", "linear flow"}) {
    INFO(text);
    CHECK_FALSE(parametrisation_from_text(text));
  }
}

TEST_CASE("paths: go from data to noise, and their derivatives are those of finite differences") {
  for (const PathKind path : continuous) {
    INFO(option_name(path));
    const PathPoint data = path_point(path, 0);
    const PathPoint noise = path_point(path, 1);
    CHECK(data.alpha == 1);
    CHECK(data.sigma == 0);
    CHECK(noise.sigma == Approx(1).epsilon(1e-4)); // the VP path keeps 0.66 % of the data
    CHECK(noise.alpha < 0.007);
    for (const double t : times(path)) {
      INFO(t);
      constexpr double h = 1e-5;
      const PathPoint at = path_point(path, t);
      const PathPoint before = path_point(path, t - h);
      const PathPoint after = path_point(path, t + h);
      CHECK(at.d_alpha == Approx((after.alpha - before.alpha) / (2 * h)).epsilon(1e-7));
      CHECK(at.d_sigma == Approx((after.sigma - before.sigma) / (2 * h)).epsilon(1e-6));
      // So the velocity is the derivative of x_t.
      const auto x = [](const PathPoint& p) { return p.alpha * -1.3 + p.sigma * 0.6; };
      CHECK(to_velocity(TargetKind::noise, at, 0.6, x(at)) ==
            Approx((x(after) - x(before)) / (2 * h)).epsilon(1e-6));
      if (path != PathKind::linear) {
        CHECK(at.alpha * at.alpha + at.sigma * at.sigma == Approx(1).epsilon(1e-14));
      }
    }
  }
}

TEST_CASE("paths: a DDPM schedule's derivatives are those by the angle, its indices are checked") {
  for (const PathKind path : discrete) {
    INFO(option_name(path));
    for (const double t : times(path)) {
      const PathPoint at = path_point(path, t);
      CHECK(at.alpha * at.alpha + at.sigma * at.sigma == Approx(1).epsilon(1e-14));
      CHECK(at.d_alpha == -at.sigma);
      CHECK(at.d_sigma == at.alpha);
      CHECK(at.determinant() == Approx(1).epsilon(1e-14));
    }
    CHECK_THROWS_AS(path_point(path, -1), InputError);
    CHECK_THROWS_AS(path_point(path, 1000), InputError);
    CHECK_THROWS_AS(path_point(path, std::numeric_limits<double>::quiet_NaN()), InputError);
  }
}

TEST_CASE("paths: the published values of the cosine schedule") {
  // abar(t) = cos^2 of (t + .008) / 1.008 of a quarter turn, over its value at 0, while beta is
  // below its bound; the bound acts at the last step alone, where abar would be 0.
  const auto& schedule = DdpmSchedule::full(PathKind::ddpm_cosine);
  const auto bar = [](double t) {
    return std::pow(std::cos((t + 0.008) / 1.008 * std::acos(0.0)), 2);
  };
  for (const std::size_t i : {0u, 1u, 100u, 500u, 900u, 998u}) {
    CHECK(schedule.alpha_bar[i] ==
          Approx(bar(static_cast<double>(i + 1) / 1000) / bar(0)).epsilon(1e-11));
  }
  CHECK(schedule.beta[999] == Approx(0.999).epsilon(1e-12));
  CHECK(schedule.beta[998] < 0.999);
  CHECK(DdpmSchedule::full().alpha_bar[999] == Approx(4.035829765375676e-05).epsilon(1e-12));
  CHECK(DdpmSchedule::respaced(50, PathKind::ddpm_cosine).alpha_bar[49] ==
        Approx(schedule.alpha_bar[999]).epsilon(1e-10));
}

TEST_CASE("conversions: every target of every path gives the others, and comes back") {
  constexpr double x0 = -0.7;
  constexpr double eps = 1.9;
  for (const auto& paths : {std::vector<PathKind>(continuous, continuous + 3),
                            std::vector<PathKind>(discrete, discrete + 2)}) {
    for (const PathKind path : paths) {
      for (const double t : times(path)) {
        const PathPoint at = path_point(path, t);
        const double x = at.alpha * x0 + at.sigma * eps;
        for (const TargetKind from : targets) {
          INFO(parametrisation_text({path, from}) << " at " << t);
          const double p = target_of(from, at, x0, eps);
          CHECK(to_velocity(from, at, p, x) ==
                Approx(target_of(TargetKind::velocity, at, x0, eps)).epsilon(1e-9));
          CHECK(to_noise(from, at, p, x) == Approx(eps).epsilon(1e-9));
          CHECK(to_data(from, at, p, x) == Approx(x0).epsilon(1e-9));
          CHECK(to_score(from, at, p, x) == Approx(-eps / at.sigma).epsilon(1e-9));
          // There and back with a wrong prediction, too.
          const double wrong = 0.3;
          const double data = to_data(from, at, wrong, x);
          const double noise = to_noise(from, at, wrong, x);
          CHECK(at.alpha * data + at.sigma * noise == Approx(x).epsilon(1e-9));
          CHECK(target_of(from, at, data, noise) == Approx(wrong).epsilon(1e-7));
          const auto field = make_field<double>({path, from}, [&](double, double) {
            return Denoised<double>{wrong, {}};
          });
          const auto both = field.data_and_noise(x, t);
          CHECK(both.data == data);
          CHECK(both.noise == noise);
          CHECK(field.score(x, t) == Approx(-noise / at.sigma).epsilon(1e-12));
          CHECK(field.discrete() == is_discrete(path));
        }
      }
    }
  }
}

TEST_CASE("paths: SiT's training ranges, with time reversed") {
  const auto range = [](PathKind path, TargetKind target) {
    const TrainingRange r = training_range({path, target});
    return std::vector<double>{r.data, r.noise};
  };
  using Range = std::vector<double>;
  CHECK(range(PathKind::linear, TargetKind::velocity) == Range{0, 1});
  CHECK(range(PathKind::gvp, TargetKind::velocity) == Range{0, 1});
  CHECK(range(PathKind::linear, TargetKind::noise) == Range{1e-3, 1 - 1e-3});
  CHECK(range(PathKind::gvp, TargetKind::score) == Range{1e-3, 1 - 1e-3});
  for (const TargetKind target : targets) {
    CHECK(range(PathKind::vp, target) == Range{1e-5, 1});
  }
}

TEST_CASE("weights: what SiT and Min-SNR publish, by the definition of each") {
  // SiT: w = (alpha' / alpha) sigma^2 - sigma sigma', with its own direction of time.
  for (const PathKind path : continuous) {
    for (const double t : times(path)) {
      const PathPoint at = path_point(path, t);
      const double w = -at.d_alpha / at.alpha * at.sigma * at.sigma + at.sigma * at.d_sigma;
      INFO(option_name(path) << " at " << t);
      for (const TargetKind target : {TargetKind::noise, TargetKind::score}) {
        CHECK(VelocityWeight::weight(target, at) ==
              Approx(std::pow(w / at.sigma, 2)).epsilon(1e-10));
        CHECK(LikelihoodWeight::weight(target, at) ==
              Approx(w / (at.sigma * at.sigma)).epsilon(1e-10));
      }
      // The error of the noise that data with error 1 imply is alpha / sigma.
      const double square = std::pow(at.alpha / at.sigma, 2);
      CHECK(VelocityWeight::weight(TargetKind::data, at) ==
            Approx(std::pow(w / at.sigma, 2) * square).epsilon(1e-10));
      CHECK(LikelihoodWeight::weight(TargetKind::data, at) ==
            Approx(w / (at.sigma * at.sigma) * square).epsilon(1e-10));
    }
  }
}

TEST_CASE("times: a shift maps the base's times and keeps its randomness") {
  using Shifted = ShiftedTime<UniformTime, std::ratio<3>>;
  using Back = ShiftedTime<Shifted, std::ratio<1, 3>>;
  using Logit = ShiftedTime<LogitNormalTime, std::ratio<3>>;
  static_assert(TimeDistributionPolicy<Back>);
  double mean = 0;
  constexpr std::uint32_t n = 4000;
  for (std::uint32_t i = 0; i < n; ++i) {
    const double u = UniformTime::draw(7, 1, i);
    const double shifted = Shifted::draw(7, 1, i);
    REQUIRE((shifted > 0 && shifted < 1));
    REQUIRE(shifted == Approx(3 * u / (1 + 2 * u)).epsilon(1e-6));
    REQUIRE(Back::draw(7, 1, i) == Approx(u).epsilon(1e-5));
    // In terms of the logit: a sum.
    const double v = LogitNormalTime::draw(7, 1, i);
    const double w = Logit::draw(7, 1, i);
    REQUIRE(std::log(w / (1 - w)) == Approx(std::log(v / (1 - v)) + std::log(3)).margin(1e-4));
    mean += shifted / n;
  }
  // The mean of 3 u / (1 + 2 u) is 1.5 - .75 log 3.
  CHECK(mean == Approx(1.5 - 0.75 * std::log(3.0)).margin(0.02));
}

TEST_CASE("times: the shift for a resolution is the root of the ratio of its elements") {
  CHECK(ResolutionShift<16384>::value() == 2);
  CHECK(ShiftedTime<UniformTime, ResolutionShift<64, 256>>::shift() == 0.5);
  CHECK(ShiftedTime<UniformTime, ResolutionShift<4096>>::draw(1, 2, 3) ==
        UniformTime::draw(1, 2, 3));
}
