// Oracle: Gaussian data, whose best denoiser and exact flow are known in closed form.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/core/error.hpp>
#include <d2c/diffusion/ddim.hpp>
#include <d2c/diffusion/ddpm.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/dopri5.hpp>
#include <d2c/diffusion/dpm_solver.hpp>
#include <d2c/diffusion/euler.hpp>
#include <d2c/diffusion/euler_maruyama.hpp>
#include <d2c/diffusion/heun.hpp>
#include <d2c/diffusion/noise_prediction_tensors.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sde_heun.hpp>
#include <d2c/sample/sample_batch.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;

struct Output {
  Tensor prediction;
  Tensor variance;
};

constexpr std::int64_t classes = 3;

/// Data of class c: independent pixels N(mean_c, deviation_c^2); of "no class": N(0, 1).
Tensor means(const Tensor& labels) {
  return at::tensor({-1.0f, 0.5f, 2.0f, 0.0f}).index_select(0, labels).view({-1, 1, 1, 1});
}

Tensor deviations(const Tensor& labels) {
  return at::tensor({0.5f, 0.25f, 0.75f, 1.0f}).index_select(0, labels).view({-1, 1, 1, 1});
}

/// The best velocity for that data.
struct Velocity {
  std::vector<std::int64_t>* batches = nullptr;

  Output operator()(const Tensor& x, const Tensor& time, const Tensor& labels) const {
    if (batches != nullptr) {
      batches->push_back(x.size(0));
    }
    const Tensor t = time.view({-1, 1, 1, 1});
    const Tensor m = means(labels);
    const Tensor variance = deviations(labels).square();
    const Tensor at_t = (1 - t).square() * variance + t.square();
    return {(t - (1 - t) * variance) / at_t * (x - (1 - t) * m) - m, {}};
  }
};

/// The best noise prediction for it.
Output noise_of(const Tensor& x, const Tensor& time, const Tensor& labels) {
  const Tensor bar = table_at(DdpmSchedule::full().alpha_bar, time);
  const Tensor variance = deviations(labels).square();
  return {(1 - bar).sqrt() * (x - bar.sqrt() * means(labels)) / (bar * variance + 1 - bar),
          Tensor()};
}

struct Batch {
  std::vector<std::int64_t> samples;
  std::vector<std::int64_t> labels;
  Parametrisation parametrisation{};

  Batch(std::int64_t first, std::int64_t count, const Parametrisation& of = {})
      : parametrisation(of) {
    for (std::int64_t i = first; i < first + count; ++i) {
      samples.push_back(i);
      labels.push_back(i % classes);
    }
  }

  [[nodiscard]] SampleRequest request(std::vector<std::int64_t> shape = {2, 4, 4}) const {
    return {.shape = std::move(shape),
            .samples = samples,
            .labels = labels,
            .null_label = classes,
            .seed = 9,
            .device = at::kCPU,
            .parametrisation = parametrisation};
  }
};

/// What a method's network predicts in these tests.
template <class Method>
constexpr Parametrisation predicted{PathKind::linear, TargetKind::velocity};

template <>
constexpr Parametrisation predicted<DDPM>{PathKind::ddpm_linear, TargetKind::noise};

template <class Method, class Network>
void check_invariance(Network network, const SamplingOptions& options) {
  const Guidance guidance{1.7, 0.3, 0.8};
  const Batch whole(0, 11, predicted<Method>);
  const Tensor together = sample_batch<Method>(network, whole.request(), options, guidance);
  std::vector<Tensor> parts;
  for (const auto& [first, count] : {std::pair{0, 4}, std::pair{4, 1}, std::pair{5, 6}}) {
    const Batch part(first, count, predicted<Method>);
    parts.push_back(sample_batch<Method>(network, part.request(), options, guidance));
  }
  CHECK(together.equal(at::cat(parts)));
  CHECK_FALSE(together[0].equal(together[3])); // same class, another sample
}

template <class Method, class Network>
void check_moments(Network network, const SamplingOptions& options, double slack) {
  const Batch batch(0, 600, predicted<Method>);
  const Tensor x = sample_batch<Method>(network, batch.request({1, 8, 8}), options, {});
  REQUIRE(x.scalar_type() == at::kFloat);
  const Tensor labels = at::tensor(batch.labels);
  for (std::int64_t c = 0; c < classes; ++c) {
    const Tensor rows = x.index_select(0, labels.eq(c).nonzero().flatten()).flatten(1);
    const double mean = means(at::tensor({c})).item<double>();
    const double deviation = deviations(at::tensor({c})).item<double>();
    const double n = static_cast<double>(rows.numel());
    CHECK(std::abs(rows.mean().item<double>() - mean) < 4 * deviation / std::sqrt(n) + slack);
    CHECK(std::abs(rows.std().item<double>() - deviation) <
          4 * deviation / std::sqrt(2 * n) + slack);
    // Pixels are independent: the mean absolute correlation of 63 pairs is about sqrt(2/(pi 200)).
    const Tensor correlation = rows.t().corrcoef();
    CHECK(correlation.diagonal(1).abs().mean().item<double>() < 0.09);
  }
}

} // namespace

TEST_CASE("sample batch: every method reaches the distribution of each class") {
  check_moments<Euler>(Velocity{}, {.steps = 200}, 0.01);
  check_moments<Euler>(Velocity{}, {.steps = 200, .time_shift = 2}, 0.01);
  check_moments<Heun>(Velocity{}, {.steps = 40}, 0.002);
  check_moments<EulerMaruyama>(Velocity{}, {.steps = 250}, 0.015);
  check_moments<DDPM>(noise_of, {.steps = 250}, 0.015);
  check_moments<Dopri5>(Velocity{}, {}, 0.002);
  check_moments<SdeHeun>(Velocity{}, {.steps = 150}, 0.015);
  check_moments<DDIM>(Velocity{}, {.steps = 200, .eta = 1}, 0.01);
  check_moments<DPMSolver2M>(Velocity{}, {.steps = 40}, 0.005);
}

TEST_CASE("sample batch: samples do not depend on the batch, bit for bit") {
  check_invariance<Euler>(Velocity{}, {.steps = 7, .time_shift = 2});
  check_invariance<Heun>(Velocity{}, {.steps = 7});
  check_invariance<EulerMaruyama>(Velocity{}, {.steps = 7});
  check_invariance<DDPM>(noise_of, {.steps = 20});
  check_invariance<Dopri5>(Velocity{}, {.rtol = 1e-4});
  check_invariance<SdeHeun>(Velocity{}, {.steps = 7, .last_step = LastStep::tweedie});
  check_invariance<DDIM>(Velocity{}, {.steps = 7, .eta = 0.5});
  check_invariance<DPMSolver2M>(Velocity{}, {.steps = 7, .time_shift = 2});
}

TEST_CASE("sample batch: guidance acts on its interval and costs nothing elsewhere") {
  std::vector<std::int64_t> batches;
  const Batch batch(0, 5);
  const Velocity network{&batches};
  (void)sample_batch<Euler>(network, batch.request(), {.steps = 10}, {2.0, 0.25, 0.75});
  // Times 1, .9, ..., .1: five of them (.7, .6, .5, .4, .3) lie in [.25, .75].
  CHECK(batches == std::vector<std::int64_t>{5, 5, 5, 10, 10, 10, 10, 10, 5, 5});
  batches.clear();
  (void)sample_batch<Euler>(network, batch.request(), {.steps = 4}, {1.0, 0.0, 1.0});
  CHECK(batches == std::vector<std::int64_t>{5, 5, 5, 5});
  batches.clear();
  // REPA's best setting: 250 steps, guidance up to .7, doubles 172 of 250 calls.
  (void)sample_batch<EulerMaruyama>(network, batch.request(), {.steps = 250}, {1.8, 0.0, 0.7});
  CHECK(std::count(batches.begin(), batches.end(), 10) == 172);
  CHECK(batches.size() == 250);
}

TEST_CASE("sample batch: guidance extrapolates on all channels from the null label") {
  // A network that answers its label: guided velocity = null + s (label - null), so after Euler
  // x = noise - (3 + s (label - 3)).
  const auto network = [](const Tensor& x, const Tensor&, const Tensor& labels) {
    return Output{at::zeros_like(x) + labels.to(at::kFloat).view({-1, 1, 1, 1}), {}};
  };
  const Batch batch(0, 6);
  const Tensor plain = sample_batch<Euler>(network, batch.request(), {.steps = 3}, {});
  const Tensor guided = sample_batch<Euler>(network, batch.request(), {.steps = 3}, {2.5, 0, 1});
  for (std::int64_t i = 0; i < 6; ++i) {
    const double expected = -1.5 * static_cast<double>(i % 3 - 3);
    CHECK((guided[i] - plain[i] - expected).abs().max().item<double>() < 1e-5);
  }
}

namespace {

/// Answers its class and ten times its text, whatever the image.
struct TwoConditions {
  Output operator()(const Tensor& x, const Tensor&, const Tensor& labels,
                    const Tensor& texts) const {
    const Tensor answer = (labels + 10 * texts).to(at::kFloat).view({-1, 1, 1, 1});
    return {at::zeros_like(x) + answer, {}};
  }
};

/// What guidance makes of TwoConditions' answer for each class, from one Euler step.
template <class Guide = NoGuide>
std::vector<double> guided_answers(const Guidance& guidance, Guide guide = {}) {
  const Batch batch(0, classes);
  const Tensor still = sample_batch<Euler>(
      [](const Tensor& x, const Tensor&, const Tensor&) {
        return Output{at::zeros_like(x), {}};
      },
      batch.request(), {.steps = 1}, {});
  const Tensor x =
      sample_batch<Euler>(TwoConditions{}, batch.request(), {.steps = 1}, guidance, guide);
  const Tensor velocity = (still - x).select(1, 0).flatten(1);
  std::vector<double> answers;
  for (std::int64_t i = 0; i < classes; ++i) {
    CHECK((velocity[i] - velocity[i][0]).abs().max().item<double>() < 1e-4);
    answers.push_back(velocity[i][0].item<double>());
  }
  return answers;
}

void check_answers(const std::vector<double>& found, double (*expected)(double)) {
  for (std::size_t c = 0; c < found.size(); ++c) {
    CHECK(found[c] == Approx(expected(static_cast<double>(c))).margin(1e-4));
  }
}

} // namespace

TEST_CASE("sample batch: guidance from each null condition, by hand") {
  // Class c has the answer 11 c; the null of both is label 3.
  Guidance guidance{.scale = 2.5};
  check_answers(guided_answers(guidance), [](double c) { return 33 + 2.5 * (11 * c - 33); });
  guidance.null = GuidanceNull::class_only;
  check_answers(guided_answers(guidance), [](double c) { return 3 + 10 * c + 2.5 * (c - 3); });
  guidance.null = GuidanceNull::text_only;
  check_answers(guided_answers(guidance), [](double c) { return c + 30 + 25 * (c - 3); });
  guidance.null = GuidanceNull::independent;
  guidance.text_scale = 1.5;
  check_answers(guided_answers(guidance),
                [](double c) { return 33 + 15 * (c - 3) + 2.5 * (c - 3); });
  guidance.text_scale = 2.5; // equal scales: the joint null
  check_answers(guided_answers(guidance), [](double c) { return 33 + 2.5 * (11 * c - 33); });
}

TEST_CASE("sample batch: a weaker network guides with the same conditions") {
  std::vector<std::int64_t> batches;
  const auto weak = [&](const Tensor& x, const Tensor&, const Tensor& labels) {
    batches.push_back(x.size(0));
    return Output{at::zeros_like(x) + labels.to(at::kFloat).view({-1, 1, 1, 1}) * 4, {}};
  };
  check_answers(guided_answers({.scale = 1.5}, weak),
                [](double c) { return 4 * c + 1.5 * (11 * c - 4 * c); });
  CHECK(batches == std::vector<std::int64_t>{classes});
  batches.clear();
  (void)guided_answers({.scale = 1}, weak);
  CHECK(batches.empty());
  CHECK_THROWS_AS(guided_answers({.scale = 1.5, .null = GuidanceNull::text_only}, weak),
                  InputError);
}

TEST_CASE("sample batch: only the first channels are guided, as DiT and SiT do") {
  const auto network = [](const Tensor& x, const Tensor&, const Tensor& labels) {
    return Output{at::zeros_like(x) + labels.to(at::kFloat).view({-1, 1, 1, 1}), {}};
  };
  const Batch batch(0, 6);
  const auto draw = [&](const Guidance& guidance) {
    return sample_batch<Euler>(network, batch.request({4, 2, 2}), {.steps = 3}, guidance);
  };
  const Tensor plain = draw({});
  const Tensor all = draw({.scale = 2});
  const Tensor three = draw({.scale = 2, .channels = 3});
  CHECK(three.narrow(1, 0, 3).equal(all.narrow(1, 0, 3)));
  CHECK(three.narrow(1, 3, 1).equal(plain.narrow(1, 3, 1)));
  CHECK_FALSE(all.narrow(1, 3, 1).equal(plain.narrow(1, 3, 1)));
  CHECK(draw({.scale = 2, .channels = 4}).equal(all));
  CHECK_THROWS_AS(draw({.scale = 2, .channels = 5}), InputError);
}

TEST_CASE("sample batch: the adaptive method counts the calls of each sample") {
  std::vector<std::int64_t> batches;
  const Batch batch(0, 6);
  std::vector<std::int64_t> calls;
  NoGuide none;
  (void)sample_batch<Dopri5>(Velocity{&batches}, batch.request(), {}, {}, none, &calls);
  REQUIRE(calls.size() == 6);
  std::int64_t rows = 0;
  for (const std::int64_t asked : batches) {
    rows += asked;
  }
  std::int64_t counted = 0;
  for (const std::int64_t asked : calls) {
    CHECK((asked - 2) % 6 == 0);
    counted += asked;
  }
  CHECK(counted == rows);
  CHECK(*std::min_element(calls.begin(), calls.end()) <
        *std::max_element(calls.begin(), calls.end()));
  // torchdiffeq's control: the same for all, with guidance two for one inside its interval.
  (void)sample_batch<Dopri5>(Velocity{}, batch.request(),
                             {.step_control = StepControl::torchdiffeq}, {2.0, 0.0, 0.5}, none,
                             &calls);
  CHECK(std::count(calls.begin(), calls.end(), calls[0]) == 6);
}

TEST_CASE("sample batch: refused options name what is wrong") {
  const Batch batch(0, 1);
  CHECK_THROWS_AS(sample_batch<Heun>(Velocity{}, batch.request(), {.steps = 0}, {}), InputError);
  const Batch discrete(0, 1, predicted<DDPM>);
  CHECK_THROWS_AS(
      sample_batch<DDPM>(noise_of, discrete.request(), {.steps = 50, .time_shift = 2}, {}),
      InputError);
  CHECK_THROWS_AS(sample_batch<DDPM>(noise_of, batch.request(), {.steps = 50}, {}), InputError);
  CHECK_THROWS_AS(sample_batch<Euler>(Velocity{}, discrete.request(), {.steps = 5}, {}),
                  InputError);
  CHECK_THROWS_AS(sample_batch<Euler>(Velocity{}, batch.request(), {.steps = 5}, {1.5, 0.9, 0.1}),
                  InputError);
}
