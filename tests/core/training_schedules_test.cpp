// Oracles: by hand, and sums written out.

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/core/problem.hpp>
#include <d2c/train/align_schedule.hpp>
#include <d2c/train/check_train_config.hpp>
#include <d2c/train/checkpoint_folder.hpp>
#include <d2c/train/denoiser_file.hpp>
#include <d2c/train/ema.hpp>
#include <d2c/train/learning_rate.hpp>
#include <d2c/train/power_average.hpp>

using namespace d2c;
namespace fs = std::filesystem;

namespace {

RateSchedule schedule(Schedule kind, std::int64_t steps, std::int64_t warmup) {
  return {.kind = kind,
          .steps = steps,
          .warmup = warmup,
          .final_factor = 0.02,
          .decay_every = 10,
          .decay_factor = 0.5};
}

/// The average after updates 1..steps of what `weights` were after them, by the recursion of ema.
double averaged(double gamma, std::int64_t steps, auto&& weights) {
  const EmaSchedule ema{.profile = EmaProfile::power, .gamma = gamma};
  double average = 1e3; // what it starts from must not matter
  for (std::int64_t i = 0; i < steps; ++i) {
    average += (1 - ema_decay(ema, i)) * (weights(i + 1) - average);
  }
  return average;
}

} // namespace

TEST_CASE("learning rate: warm-up is linear and reaches the base rate at its last update") {
  for (const Schedule kind : {Schedule::constant, Schedule::cosine, Schedule::linear,
                              Schedule::step, Schedule::exponential}) {
    CHECK(learning_rate_factor(schedule(kind, 100, 4), 0) == Approx(0.25));
    CHECK(learning_rate_factor(schedule(kind, 100, 4), 3) == 1.0);
    CHECK(learning_rate_factor(schedule(kind, 100, 4), 4) == 1.0);
    CHECK(learning_rate_factor(schedule(kind, 100, 0), 0) == 1.0);
    CHECK(learning_rate_factor(schedule(kind, 1, 0), 0) == 1.0);
  }
}

TEST_CASE("learning rate: each schedule takes its way") {
  CHECK(learning_rate_factor(schedule(Schedule::constant, 100, 4), 99) == 1.0);
  CHECK(learning_rate_factor(schedule(Schedule::cosine, 111, 10), 60) == Approx(0.51));
  CHECK(learning_rate_factor(schedule(Schedule::cosine, 111, 10), 110) == Approx(0.02));
  CHECK(learning_rate_factor(schedule(Schedule::linear, 111, 10), 35) == Approx(0.755));
  CHECK(learning_rate_factor(schedule(Schedule::linear, 111, 10), 110) == Approx(0.02));
  CHECK(learning_rate_factor(schedule(Schedule::step, 100, 4), 13) == 1.0);
  CHECK(learning_rate_factor(schedule(Schedule::step, 100, 4), 14) == 0.5);
  CHECK(learning_rate_factor(schedule(Schedule::step, 100, 4), 34) == 0.125);
  CHECK(learning_rate_factor(schedule(Schedule::exponential, 100, 4), 14) == Approx(0.5));
  CHECK(learning_rate_factor(schedule(Schedule::exponential, 100, 4), 9) == Approx(std::sqrt(0.5)));
  CHECK_THROWS_WITH(parse_schedule("steps"),
                    "train.schedule: expected \"constant\", \"cosine\", \"linear\", \"step\" or "
                    "\"exponential\", found \"steps\"");
}

TEST_CASE("alignment: its weight falls to nothing at the stop, or at the end of the run") {
  using enum AlignDecay;
  CHECK(align_factor(none, 99, 0, 100) == 1.0);
  CHECK(align_factor(none, 39, 40, 100) == 1.0);
  CHECK(align_factor(none, 40, 40, 100) == 0.0);
  CHECK(align_factor(none, 99, 40, 100) == 0.0);
  CHECK(align_factor(linear, 10, 40, 100) == Approx(0.75));
  CHECK(align_factor(linear, 75, 0, 100) == Approx(0.25));
  CHECK(align_factor(cosine, 0, 40, 100) == 1.0);
  CHECK(align_factor(cosine, 10, 40, 100) == Approx(0.5 + std::sqrt(0.125)));
  CHECK(align_factor(cosine, 50, 0, 100) == Approx(0.5));
  CHECK(align_factor(cosine, 41, 40, 100) == 0.0);
  CHECK(parse_align_decay("constant") == none);
  CHECK_THROWS_WITH(parse_align_decay("stop"), Catch::Contains("found \"stop\""));
}

TEST_CASE("ema: the warm-up starts at one tenth and is capped by the decay") {
  const EmaSchedule warmup{.profile = EmaProfile::warmup, .decay = 0.995};
  CHECK(ema_decay(warmup, 0) == Approx(0.1));
  CHECK(ema_decay(warmup, 8) == Approx(0.5));
  CHECK(ema_decay(warmup, 100000) == 0.995);
  CHECK(ema_decay({.profile = EmaProfile::constant, .decay = 0.995}, 0) == 0.995);
}

TEST_CASE("ema: the power function weighs update s by s^(gamma+1) - (s-1)^(gamma+1)") {
  const auto weights = [](std::int64_t s) { return std::sin(0.3 * static_cast<double>(s)); };
  for (const double gamma : {0.0, 6.94, 16.97}) {
    double expected = 0;
    for (std::int64_t s = 1; s <= 50; ++s) {
      const auto n = static_cast<double>(s);
      expected += weights(s) * (std::pow(n / 50, gamma + 1) - std::pow((n - 1) / 50, gamma + 1));
    }
    CHECK(averaged(gamma, 50, weights) == Approx(expected).epsilon(1e-10));
  }
}

TEST_CASE("ema: width and exponent of the power function follow from each other") {
  // The published pair: widths 0.05 and 0.10 are exponents 16.97 and 6.94.
  CHECK(gamma_of_sigma_rel(0.05) == Approx(16.97).margin(0.005));
  CHECK(gamma_of_sigma_rel(0.10) == Approx(6.94).margin(0.005));
  CHECK(gamma_of_sigma_rel(std::sqrt(1.0 / 12)) == Approx(0).margin(1e-9));
  for (const double gamma : {0.5, 3.0, 40.0, 400.0}) {
    CHECK(gamma_of_sigma_rel(sigma_rel_of_gamma(gamma)) == Approx(gamma).epsilon(1e-9));
    // The width is the standard deviation of the profile.
    double mass = 0;
    double mean = 0;
    double square = 0;
    const int n = 200000;
    for (int i = 0; i < n; ++i) {
      const double t = (i + 0.5) / n;
      const double p = (gamma + 1) * std::pow(t, gamma) / n;
      mass += p;
      mean += p * t;
      square += p * t * t;
    }
    mean /= mass;
    CHECK(std::sqrt(square / mass - mean * mean) ==
          Approx(sigma_rel_of_gamma(gamma)).epsilon(1e-4));
  }
  CHECK_THROWS_WITH(gamma_of_sigma_rel(0.3),
                    Catch::Contains("at most 0.288") && Catch::Contains("found 0.3"));
  CHECK_THROWS_AS(gamma_of_sigma_rel(0), InputError);
}

TEST_CASE("ema: products of profiles are their integrals") {
  const auto integral = [](const PowerProfile& a, const PowerProfile& b) {
    const auto density = [](const PowerProfile& p, double t) {
      return t > p.step ? 0 : (p.gamma + 1) * std::pow(t / p.step, p.gamma) / p.step;
    };
    const double end = std::min(a.step, b.step);
    const int n = 100000;
    double sum = 0;
    for (int i = 0; i < n; ++i) {
      const double t = (i + 0.5) * end / n;
      sum += density(a, t) * density(b, t) * end / n;
    }
    return sum;
  };
  const PowerProfile a{6.94, 100};
  const PowerProfile b{16.97, 70};
  CHECK(profile_product(a, b) == Approx(integral(a, b)).epsilon(1e-6));
  CHECK(profile_product(b, a) == profile_product(a, b));
  CHECK(profile_product(a, a) == Approx(integral(a, a)).epsilon(1e-6));
}

TEST_CASE("ema: an average of any width is made from stored ones afterwards") {
  // Weights that wander slowly, as those of a training do.
  const auto weights = [](std::int64_t s) {
    const double t = static_cast<double>(s) / 4000;
    return std::sin(5 * t) + 0.3 * t * t + 0.2 * std::cos(11 * t);
  };
  const double gammas[] = {gamma_of_sigma_rel(0.05), gamma_of_sigma_rel(0.10)};
  std::vector<PowerProfile> stored;
  std::vector<double> averages;
  for (std::int64_t step = 250; step <= 4000; step += 250) {
    for (const double gamma : gammas) {
      stored.push_back({gamma, static_cast<double>(step)});
      averages.push_back(averaged(gamma, step, weights));
    }
  }
  const auto made = [&](double sigma_rel) {
    const auto parts = post_hoc_weights(stored, {gamma_of_sigma_rel(sigma_rel), 4000});
    double sum = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      sum += parts[i] * averages[i];
    }
    return sum;
  };
  for (const double sigma_rel : {0.06, 0.075, 0.12, 0.2}) {
    const double exact = averaged(gamma_of_sigma_rel(sigma_rel), 4000, weights);
    INFO(sigma_rel);
    CHECK(std::fabs(made(sigma_rel) - exact) < (sigma_rel < 0.15 ? 2e-4 : 4e-3));
    // Far closer than the stored ones are.
    CHECK(std::fabs(made(sigma_rel) - exact) <
          0.05 * std::min(std::fabs(averages.back() - exact),
                          std::fabs(averages[averages.size() - 2] - exact)));
  }
  // A stored profile is met by itself alone.
  const auto own = post_hoc_weights(stored, {gammas[1], 4000});
  for (std::size_t i = 0; i < own.size(); ++i) {
    CHECK(own[i] == Approx(i + 1 == own.size() ? 1.0 : 0.0).margin(1e-6));
  }
  CHECK_THROWS_AS(post_hoc_weights({}, {1, 10}), InputError);
  const std::vector<PowerProfile> twice(2, {1, 10});
  CHECK_THROWS_AS(post_hoc_weights(twice, {1, 10}), InputError);
}

TEST_CASE("checkpoints: the newest stay, and for good those after a multiple of keep_every") {
  const d2c_test::ScratchFolder scratch;
  const CheckpointFolder folder(scratch.path());
  for (std::int64_t step = 100; step <= 1000; step += 100) {
    std::ofstream(folder.step(step)) << "x";
    folder.keep_newest(2, 300);
  }
  CHECK(folder.steps() == std::vector<std::int64_t>{300, 600, 800, 900, 1000});
  std::ofstream(folder.average(200)) << "x";
  std::ofstream(scratch / "average-12x.safetensors") << "x";
  CHECK(folder.averages() == std::vector<std::int64_t>{200});
  folder.keep_newest(1);
  CHECK(folder.steps() == std::vector<std::int64_t>{1000});
}

TEST_CASE("train config: keys that contradict one another are refused") {
  TrainConfig config;
  config.batch = 10;
  config.accumulate = 3;
  config.text_dropout = 0.2;
  config.ema_profile = "none";
  config.ema_sigma_second = 0.05;
  config.align_schedule = "step";
  config.decay_factor = 0;
  Problems problems;
  check_train_config(config, problems);
  std::string all;
  for (const auto& problem : problems.list()) {
    all += problem.text() + "\n";
  }
  CHECK(all ==
        "train.accumulate: expected a positive number that divides train.batch, found 3\n"
        "train.decay_factor: expected a number above 0 and at most 1, found 0.000000\n"
        "train.ema_profile: expected \"constant\", \"warmup\" or \"power\", found \"none\"\n"
        "train.ema_sigma_second: expected a number above 0 and at most 0.288 that is not "
        "train.ema_sigma, found 0.050000\n"
        "train.text_dropout: expected the share of train.class_dropout while "
        "train.text_dropout_joint is true, found 0.200000\n"
        "train.align_schedule: expected \"constant\", \"linear\" or \"cosine\", found \"step\"\n");
}

TEST_CASE("denoiser file: a file, or the one that a training leaves in its folder") {
  const d2c_test::ScratchFolder scratch;
  const fs::path file = CheckpointFolder(scratch.path()).final();
  const auto problem_of = [](const std::string& path) {
    Problems problems;
    const bool there = check_denoiser_file("section.key", path, problems);
    CHECK(there == problems.empty());
    return problems.text();
  };
  const std::string expected =
      "section.key: expected a file of weights or a folder with final.safetensors, found ";
  CHECK(problem_of("") == expected + "no path");
  CHECK(problem_of(scratch.path().string()) == expected + "nothing at " + file.string());
  std::ofstream(file) << "x";
  CHECK(problem_of(scratch.path().string()).empty());
  CHECK(problem_of(file.string()).empty());
  CHECK(denoiser_file(scratch.path()) == file);
  CHECK(denoiser_file(file) == file);

  // A path that cannot be followed is a problem as any other.
  TrainConfig config;
  config.initial_weights = std::string(5000, 'x');
  Problems problems;
  check_train_config(config, problems);
  CHECK(problems.text() == "train.initial_weights: expected a file of weights or a folder with "
                           "final.safetensors, found nothing at " +
                               config.initial_weights);
}
