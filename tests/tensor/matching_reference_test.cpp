// Oracles: SiT's formulas written out in Python with torch's autograd, numpy and diffusers'
// schedulers, run by tests/reference/matching.py; NoisePrediction; the best possible loss of two
// points, which is known in closed form.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <catch.hpp>

#include <d2c/core/rng.hpp>
#include <d2c/diffusion/cosine_schedule.hpp>
#include <d2c/diffusion/ddpm.hpp>
#include <d2c/diffusion/ddpm_matching.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/gvp_path.hpp>
#include <d2c/diffusion/learned_range.hpp>
#include <d2c/diffusion/likelihood_weight.hpp>
#include <d2c/diffusion/linear_path.hpp>
#include <d2c/diffusion/linear_schedule.hpp>
#include <d2c/diffusion/min_snr.hpp>
#include <d2c/diffusion/noise_prediction.hpp>
#include <d2c/diffusion/noise_prediction_tensors.hpp>
#include <d2c/diffusion/objective.hpp>
#include <d2c/diffusion/path_matching.hpp>
#include <d2c/diffusion/path_point.hpp>
#include <d2c/diffusion/predict_data.hpp>
#include <d2c/diffusion/predict_noise.hpp>
#include <d2c/diffusion/predict_score.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/diffusion/velocity_weight.hpp>
#include <d2c/diffusion/vp_path.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;

struct Output {
  Tensor prediction;
  Tensor variance;
};

static_assert(
    ObjectivePolicy<PathMatching<VpPath, PredictScore, LikelihoodWeight>, Tensor, Output>);
static_assert(
    ObjectivePolicy<DdpmMatching<CosineSchedule, PredictVelocity, MinSnr<5>>, Tensor, Output>);

const SafetensorsFile& reference() {
  static const SafetensorsFile file([] {
    const char* folder = std::getenv("D2C_REFERENCE_DIR");
    if (folder == nullptr) {
      FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/matching.py wrote to");
    }
    return std::filesystem::path(folder) / "matching" / "matching.safetensors";
  }());
  return file;
}

Tensor read(const std::string& name) {
  return at::tensor(reference().values<double>(name), at::kDouble)
      .view(reference().entry(name).shape);
}

double relative(const Tensor& found, const Tensor& expected) {
  return ((found - expected).abs() / expected.abs().clamp_min(1e-3)).max().item<double>();
}

/// Value, gradient, noisy image and noise error of one objective against `path.target.weighting`.
template <class Objective>
void compare(const std::string& path, const std::string& target, const std::string& weighting) {
  const std::string name = path + "." + target + "." + weighting;
  INFO(name << ", " << Objective::name);
  const std::string inputs =
      is_discrete(Objective::parametrisation.path) ? "discrete" : "continuous";
  const Tensor t = read(inputs + ".t");
  const Tensor x0 = read(inputs + ".x0");
  const Tensor noise = read(inputs + ".noise");
  Tensor guess = read(inputs + ".guess");
  guess.set_requires_grad(true);
  const Tensor x_t = Objective::diffuse(x0, noise, t);
  CHECK(relative(x_t, read(path + ".x_t")) < 1e-10);
  const Output out{guess, {}};
  const Tensor loss = Objective::loss(out, x0, noise, x_t, t);
  REQUIRE(loss.sizes() == at::IntArrayRef({5}));
  CHECK(relative(loss.detach(), read(name + ".loss")) < 1e-10);
  loss.sum().backward();
  CHECK(relative(guess.grad(), read(name + ".gradient")) < 1e-10);
  CHECK(relative(Objective::noise_error(out, x0, noise, x_t, t).detach(),
                 read(path + "." + target + ".error")) < 1e-8);
  // In single precision, as training computes: the same, but where numbers cancel near an end.
  const auto f = [](const Tensor& x) { return x.detach().to(at::kFloat); };
  const Tensor narrow = Objective::loss(Output{f(guess), {}}, f(x0), f(noise), f(x_t), f(t));
  CHECK(relative(narrow.to(at::kDouble), read(name + ".loss")) < 2e-3);
  // At the first and last time that training can draw.
  const Tensor ends = Objective::time(at::tensor({0x1p-24f, 1 - 0x1p-24f}));
  const auto two = [&](const Tensor& x) { return f(x).narrow(0, 0, 2); };
  const Tensor x_end = Objective::diffuse(two(x0), two(noise), ends);
  const Output at_ends{two(guess), {}};
  for (const Tensor& value : {Objective::loss(at_ends, two(x0), two(noise), x_end, ends),
                              Objective::noise_error(at_ends, two(x0), two(noise), x_end, ends)}) {
    CHECK(value.isfinite().all().template item<bool>());
  }
}

template <class Path>
void compare_path(const std::string& path) {
  compare<PathMatching<Path>>(path, "velocity", "none");
  compare<PathMatching<Path, PredictVelocity, MinSnr<5>>>(path, "velocity", "min_snr");
  const auto target = [&]<class Target>(const std::string& name) {
    compare<PathMatching<Path, Target>>(path, name, "none");
    compare<PathMatching<Path, Target, VelocityWeight>>(path, name, "velocity");
    compare<PathMatching<Path, Target, LikelihoodWeight>>(path, name, "likelihood");
    compare<PathMatching<Path, Target, MinSnr<5>>>(path, name, "min_snr");
  };
  target.template operator()<PredictNoise>("noise");
  target.template operator()<PredictData>("data");
  target.template operator()<PredictScore>("score");
}

template <class Schedule>
void compare_schedule(const std::string& schedule) {
  const auto target = [&]<class Target>(const std::string& name) {
    compare<DdpmMatching<Schedule, Target>>("ddpm_" + schedule, name, "none");
    compare<DdpmMatching<Schedule, Target, MinSnr<5>>>("ddpm_" + schedule, name, "min_snr");
  };
  target.template operator()<PredictVelocity>("velocity");
  target.template operator()<PredictNoise>("noise");
  target.template operator()<PredictData>("data");
  target.template operator()<PredictScore>("score");
  const auto expected = reference().values<double>(schedule + ".alpha_bar");
  const auto& table = DdpmSchedule::full(Schedule::kind).alpha_bar;
  REQUIRE(expected.size() == table.size());
  for (std::size_t i = 0; i < table.size(); ++i) {
    REQUIRE(std::abs(table[i] - expected[i]) <= 1e-10 * expected[i]);
  }
}

/// A network of one hidden layer on images of two numbers, trained with Adam.
class SmallNetwork {
public:
  SmallNetwork() {
    const std::vector<std::int64_t> one{0};
    const auto normal = [&](std::uint32_t step, std::int64_t rows, std::int64_t columns,
                            double scale) {
      Tensor values = random_normal({.seed = 4, .step = step}, one, {rows, columns})[0] * scale;
      values.set_requires_grad(true);
      parameters_.push_back(values);
      first_.push_back(at::zeros_like(values));
      second_.push_back(at::zeros_like(values));
    };
    normal(0, features, hidden, 0.6);
    normal(1, 1, hidden, 0.6);
    normal(2, hidden, 2, 0.1);
    normal(3, features, 2, 0.1);
  }

  /// x [B, 2, 1, 1], unit [B] in [0, 1].
  [[nodiscard]] Tensor operator()(const Tensor& x, const Tensor& unit) const {
    const Tensor u = unit.view({-1, 1}) * std::acos(0.0);
    const Tensor in = at::cat({x.flatten(1), u.sin(), u.cos(), (2 * u).sin(), (2 * u).cos()}, 1);
    const Tensor inner = (in.mm(parameters_[0]) + parameters_[1]).tanh();
    return (inner.mm(parameters_[2]) + in.mm(parameters_[3])).view({-1, 2, 1, 1});
  }

  void learn(const Tensor& loss, int step, double rate) {
    loss.backward();
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      Tensor& gradient = parameters_[i].mutable_grad();
      first_[i].mul_(0.9).add_(gradient, 0.1);
      second_[i].mul_(0.99).addcmul_(gradient, gradient, 0.01);
      const Tensor size = (second_[i] / (1 - std::pow(0.99, step))).sqrt().add(1e-8);
      parameters_[i].sub_(first_[i] / size * (rate / (1 - std::pow(0.9, step))));
      gradient.zero_();
    }
  }

private:
  static constexpr std::int64_t features = 6;
  static constexpr std::int64_t hidden = 32;
  std::vector<Tensor> parameters_;
  std::vector<Tensor> first_;
  std::vector<Tensor> second_;
};

/// The data are (1, -.5) and (-1, .5) with equal weight.
struct TwoPoints {
  Tensor x0;
  Tensor noise;
  Tensor u;

  TwoPoints(std::uint32_t step, std::int64_t count) {
    std::vector<std::int64_t> samples;
    std::vector<float> signs;
    std::vector<float> times;
    for (std::int64_t i = 0; i < count; ++i) {
      samples.push_back(i);
      signs.push_back(i % 2 == 0 ? 1.0f : -1.0f);
      times.push_back(UniformTime::draw(6, step, static_cast<std::uint32_t>(i)));
    }
    x0 = at::tensor(signs).view({-1, 1, 1, 1}) * point();
    noise = random_normal({.seed = 8, .stream = Stream::test, .step = step}, samples, {2, 1, 1});
    u = at::tensor(times);
  }

  static Tensor point() { return at::tensor({1.0f, -0.5f}).view({1, 2, 1, 1}); }
};

/// E[x_0 | x_t] of the two points, turned into what the objective's network should say.
Tensor best_prediction(const Parametrisation& of, const Tensor& x_t, const Tensor& t) {
  const Tensor x = x_t.to(at::kDouble);
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < x.size(0); ++i) {
    const PathPoint at = path_point(of.path, t[i].item<double>());
    const Tensor point = TwoPoints::point().to(at::kDouble)[0];
    const Tensor data = point * (at.alpha / (at.sigma * at.sigma) * (x[i] * point).sum()).tanh();
    rows.push_back(of.target == TargetKind::velocity ? to_velocity(TargetKind::data, at, data, x[i])
                   : of.target == TargetKind::noise  ? to_noise(TargetKind::data, at, data, x[i])
                   : of.target == TargetKind::score  ? to_score(TargetKind::data, at, data, x[i])
                                                     : data);
  }
  return at::stack(rows).to(at::kFloat);
}

/// Trains for a second or less and closes most of the gap between saying nothing and the best. The
/// loss is measured between u = .1 and .9, where no target is unbounded.
template <class Objective>
void learns() {
  INFO(Objective::name);
  constexpr Parametrisation of = Objective::parametrisation;
  const double scale = is_discrete(of.path) ? DdpmSchedule::training_steps : 1;
  const auto inner = [](const Tensor& u) { return u * 0.8 + 0.1; };
  SmallNetwork network;
  constexpr int steps = 500;
  for (int step = 1; step <= steps; ++step) {
    const TwoPoints batch(static_cast<std::uint32_t>(step), 64);
    const Tensor t = Objective::template time<Tensor>(inner(batch.u));
    const Tensor x_t = Objective::template diffuse<Tensor>(batch.x0, batch.noise, t);
    const Output out{network(x_t, t / scale), {}};
    const Tensor loss = Objective::loss(out, batch.x0, batch.noise, x_t, t).mean();
    network.learn(loss, step, 0.02 * (1 - static_cast<double>(step) / (steps + 1)));
  }
  const at::NoGradGuard no_grad;
  const TwoPoints test(0, 2000);
  const Tensor t = Objective::template time<Tensor>(inner(test.u));
  const Tensor x_t = Objective::template diffuse<Tensor>(test.x0, test.noise, t);
  const auto loss_of = [&](const Tensor& prediction) {
    return Objective::loss(Output{prediction, {}}, test.x0, test.noise, x_t, t)
        .mean()
        .template item<double>();
  };
  const double nothing = loss_of(at::zeros_like(x_t));
  const double best = loss_of(best_prediction(of, x_t, t));
  const double learned = loss_of(network(x_t, t / scale));
  INFO("nothing " << nothing << ", best " << best << ", learned " << learned);
  CHECK(best < nothing);
  CHECK(learned > 0.97 * best);
  CHECK(learned - best < 0.25 * (nothing - best));
}

template <class... Objectives>
void all_learn() {
  (learns<Objectives>(), ...);
}

} // namespace

TEST_CASE("matching reference: losses, gradients and noise errors on SiT's paths to 1e-10") {
  compare_path<LinearPath>("linear");
  compare_path<GvpPath>("gvp");
  compare_path<VpPath>("vp");
  compare<FlowMatching>("linear", "velocity", "none");
}

TEST_CASE("matching reference: losses, gradients and tables of the DDPM schedules to 1e-10") {
  compare_schedule<LinearSchedule>("linear");
  compare_schedule<CosineSchedule>("cosine");
  compare<NoisePrediction>("ddpm_linear", "noise", "none");
}

TEST_CASE("matching reference: DDPM chains of every target agree with diffusers") {
  const Tensor noises = read("chain.noises");
  for (const TargetKind target : {TargetKind::noise, TargetKind::data, TargetKind::velocity}) {
    const std::string name(option_name(target));
    INFO(name);
    const auto field =
        make_field<Tensor>({PathKind::ddpm_cosine, target}, [](const Tensor& x, double t) {
          return Denoised<Tensor>{0.8 * (x + 0.001 * t).sin(), {}};
        });
    const Tensor found =
        DDPM::sample(read("chain.start"), {.steps = 40}, field,
                     [&](std::uint32_t step) { return noises[static_cast<std::int64_t>(step)]; });
    CHECK(relative(found, read("chain." + name)) < 1e-8);
  }
}

TEST_CASE("matching: the learned range of DdpmMatching is NoisePrediction's, bit for bit") {
  using Learned = DdpmMatching<LinearSchedule, PredictNoise, Unweighted, LearnedRange>;
  using Velocity = DdpmMatching<LinearSchedule, PredictVelocity, Unweighted, LearnedRange>;
  const Tensor x0 = read("discrete.x0").to(at::kFloat);
  const Tensor noise = read("discrete.noise").to(at::kFloat);
  const Tensor t = read("discrete.t").to(at::kFloat);
  const Tensor head = x0.flip(0).sin();
  const Tensor x_t = Learned::diffuse(x0, noise, t);
  CHECK(x_t.equal(NoisePrediction::diffuse(x0, noise, t)));
  const Output out{read("discrete.guess").to(at::kFloat), head};
  const Tensor loss = Learned::loss(out, x0, noise, x_t, t);
  CHECK(loss.equal(NoisePrediction::loss(out, x0, noise, x_t, t)));
  CHECK(Learned::time(t / 1000 + 0.0004).equal(t));
  // With another target: the bound is of the noise that the prediction implies.
  const Tensor alpha = table_at(DdpmSchedule::full().sqrt_alpha_bar, t);
  const Tensor sigma = table_at(DdpmSchedule::full().sqrt_one_minus_alpha_bar, t);
  const Output same{(out.prediction - sigma * x_t) / alpha, head};
  const Tensor bound = loss - NoisePrediction::noise_error(out, x0, noise, x_t, t);
  const Tensor expected =
      (same.prediction - (alpha * noise - sigma * x0)).square().flatten(1).mean(1) + bound;
  CHECK(relative(Velocity::loss(same, x0, noise, x_t, t), expected) < 1e-4);
}

TEST_CASE("matching: with any path and target a network learns two points") {
  // Tensors of a few hundred numbers: threads would only wait for each other.
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  all_learn<PathMatching<LinearPath>, PathMatching<LinearPath, PredictNoise>,
            PathMatching<LinearPath, PredictData>, PathMatching<LinearPath, PredictScore>,
            PathMatching<GvpPath>, PathMatching<GvpPath, PredictNoise>,
            PathMatching<GvpPath, PredictData>, PathMatching<GvpPath, PredictScore>,
            PathMatching<VpPath>, PathMatching<VpPath, PredictNoise>,
            PathMatching<VpPath, PredictData>, PathMatching<VpPath, PredictScore>,
            DdpmMatching<LinearSchedule, PredictVelocity>, DdpmMatching<LinearSchedule>,
            DdpmMatching<LinearSchedule, PredictData>, DdpmMatching<LinearSchedule, PredictScore>,
            DdpmMatching<CosineSchedule, PredictVelocity>, DdpmMatching<CosineSchedule>,
            DdpmMatching<CosineSchedule, PredictData>, DdpmMatching<CosineSchedule, PredictScore>,
            PathMatching<GvpPath, PredictNoise, VelocityWeight>,
            PathMatching<LinearPath, PredictScore, LikelihoodWeight>,
            DdpmMatching<CosineSchedule, PredictData, MinSnr<5>>>();
  at::set_num_threads(threads);
}
