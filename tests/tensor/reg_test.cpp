// REG from the attached class token to the drawn image. Oracles: by hand, closed forms, and the
// same training cut and resumed. Its equations are compared in reg_reference_test.cpp.

#include <cmath>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include <catch.hpp>
#include <loss_rows.hpp>
#include <scratch_folder.hpp>
#include <small_training.hpp>
#include <stage_bench.hpp>

#include <d2c/core/artifact.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/diffusion/euler_maruyama.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/heun.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/sample/joint_state.hpp>
#include <d2c/sample/run_sampler.hpp>
#include <d2c/sample/sample_batch.hpp>
#include <d2c/train/class_condition.hpp>
#include <d2c/train/data_order.hpp>
#include <d2c/train/fit.hpp>
#include <d2c/train/load_denoiser.hpp>
#include <d2c/train/no_align.hpp>
#include <d2c/train/reg_align.hpp>

using namespace d2c;

namespace {

using d2c_test::content;
using d2c_test::loss_rows;
using Folder = d2c_test::ScratchFolder;

/// Two constant classes with patch tokens, and class tokens 3 (black) and -3 (white) that vary with
/// the place in the token.
TrainingSet entangled_set(std::int64_t images = 12) {
  TrainingSet set = d2c_test::aligned_set(images);
  set.class_tokens =
      at::linspace(-1, 2, 6).cos().view({1, 6}) * (3 - 6 * set.labels.to(at::kFloat)).view({-1, 1});
  return set;
}

NetworkShape entangled_shape() {
  NetworkShape shape = d2c_test::aligned_shape();
  shape.text_embedding = false;
  shape.class_token_width = 6;
  return shape;
}

TrainConfig small_config() {
  TrainConfig config;
  config.steps = 12;
  config.batch = 8;
  config.learning_rate = 3e-3;
  config.warmup = 3;
  config.ema = 0.99;
  config.log_every = 1;
  config.checkpoint_every = 4;
  return config;
}

FitResult fit_reg(DiffusionTransformer& network, const TrainingSet& set, const TrainConfig& config,
                  const FitOptions& options) {
  return fit<FlowMatching, REGAlign, ClassCondition, AdamW, UniformTime>(network, set, config,
                                                                         options);
}

} // namespace

TEST_CASE("reg: the first update's class token loss is that of noise minus token, by hand") {
  // A fresh network predicts zero, so its loss is the mean square of the velocity itself.
  const TrainingSet set = entangled_set();
  TrainConfig config = small_config();
  config.steps = 1;
  config.class_token_weight = 0.25;
  Folder folder;
  DiffusionTransformer network(entangled_shape(), at::kCPU, 1);
  fit_reg(network, set, config, {.seed = 5, .folder = folder.path()});
  const auto rows = loss_rows(folder / "loss.csv");
  REQUIRE(rows.size() == 1);
  double expected = 0;
  for (const Visit& visit : DataOrder(5, 12).batch(0, 8)) {
    std::vector<float> noise(6);
    fill_normal(
        {5, Stream::class_token_noise, visit.epoch, static_cast<std::uint32_t>(visit.image)},
        noise.data(), 6);
    for (std::int64_t i = 0; i < 6; ++i) {
      const double token = set.class_tokens[visit.image][i].item<double>();
      expected += std::pow(static_cast<double>(noise[static_cast<std::size_t>(i)]) - token, 2) / 48;
    }
  }
  CHECK(rows[0].loss - rows[0].denoise - 0.5 * rows[0].align ==
        Approx(0.25 * expected).epsilon(1e-5));
}

TEST_CASE("reg: image, alignment and class token are learned together") {
  TrainConfig config = small_config();
  config.steps = 250;
  config.batch = 16;
  config.class_dropout = 0.0;
  config.class_token_weight = 0.3;
  Folder folder;
  const TrainingSet set = entangled_set();
  DiffusionTransformer network(entangled_shape(), at::kCPU, 1);
  fit_reg(network, set, config, {.seed = 1, .folder = folder.path()});
  const auto rows = loss_rows(folder / "loss.csv");
  REQUIRE(rows.size() == 250);
  const auto of_class = [&](const LossRow& row) {
    return (row.loss - row.denoise - 0.5 * row.align) / 0.3;
  };
  CHECK(of_class(rows.front()) > 3); // one plus the tokens' mean square
  CHECK(of_class(rows.back()) < 1);
  CHECK(rows.back().denoise < 0.5);
  CHECK(rows.back().align < -0.8);

  // Nearly pure noise at the end of the path: the velocity is noise minus the class's token.
  const auto trained = load_denoiser(folder / "final.safetensors", at::kCPU);
  CHECK(trained->shape() == entangled_shape());
  const at::NoGradGuard no_grad;
  const Tensor labels = at::arange(2, at::kLong);
  const auto output = trained->forward(at::zeros({2, 1, 4, 4}), at::full({2}, 0.98), {labels, {}},
                                       false, at::zeros({2, 6}));
  const Tensor error = output.class_token + set.class_tokens.narrow(0, 0, 2);
  CHECK(error.square().mean().item<double>() <
        0.25 * set.class_tokens.square().mean().item<double>());

  // And the stage Sampler draws the classes' images.
  d2c_test::StageBench bench(
      d2c_test::StageBench::no_images,
      {.classes = 2, .latent_channels = 1, .latent_height = 4, .latent_width = 4});
  bench.context.artifacts.set(Denoiser::name, folder.path());
  SampleConfig sampling;
  sampling.images_per_class = 3;
  sampling.steps = 20;
  sampling.guidance = 1.5;
  sampling.guidance_class_token = 1.25;
  sampling.batch = 4;
  run_stage(Sampler<EulerMaruyama>{}, bench.with(sampling));
  const auto drawn = [&] {
    return to_tensor(SafetensorsFile(bench.context.out / "samples.safetensors"), "images");
  };
  const Tensor images = drawn();
  REQUIRE(images.sizes() == at::IntArrayRef({6, 1, 4, 4}));
  for (std::int64_t i = 0; i < 6; ++i) {
    const double grey = images[i].to(at::kFloat).mean().item<double>();
    CHECK((i % 2 == 0 ? grey < 64 : grey > 191));
  }
  sampling.batch = 100;
  run_stage(Sampler<EulerMaruyama>{}, bench.with(sampling));
  CHECK((drawn().to(at::kInt) - images.to(at::kInt)).abs().max().item<int>() <= 1);
}

TEST_CASE("reg: the scale of the class token is checked against guidance and denoiser") {
  SampleConfig sampling;
  sampling.images_per_class = 1;
  sampling.guidance = 1.5;
  sampling.guidance_class_token = 1.25;
  CHECK(guidance_of(sampling).class_token_scale == 1.25);
  Folder folder;
  TrainConfig config = small_config();
  config.steps = 1;
  DiffusionTransformer network(d2c_test::small_shape(), at::kCPU, 1);
  fit<FlowMatching, NoAlign, ClassCondition, AdamW, UniformTime>(
      network, d2c_test::small_set(), config, {.seed = 1, .folder = folder.path()});
  d2c_test::StageBench bench;
  bench.context.artifacts.set(Denoiser::name, folder.path());
  CHECK_THROWS_WITH(run_stage(Sampler<EulerMaruyama>{}, bench.with(sampling)),
                    Catch::Contains("sample.guidance_class_token needs a denoiser with a class "
                                    "token, found one without"));
  const auto problems_of = [&] {
    Problems problems;
    check_sample_config<EulerMaruyama>(sampling, problems);
    return problems.text();
  };
  CHECK(problems_of().empty());
  sampling.guidance = 1;
  CHECK_THAT(problems_of(), Catch::Contains("guidance_class_token, found 1"));
  sampling.guidance = 1.5;
  sampling.guidance_class_token = -1;
  CHECK_THAT(problems_of(), Catch::Contains("must be zero or a positive number, found -1"));
}

TEST_CASE("reg: a run that was cut goes on to the same bits") {
  const TrainingSet set = entangled_set();
  Folder whole;
  DiffusionTransformer one(entangled_shape(), at::kCPU, 7);
  fit_reg(one, set, small_config(), {.seed = 3, .folder = whole.path()});

  Folder cut;
  {
    TrainConfig config = small_config();
    DiffusionTransformer first(entangled_shape(), at::kCPU, 7);
    fit_reg(first, set, config, {.seed = 3, .folder = cut.path()});
    std::filesystem::remove(cut / "final.safetensors");
    REQUIRE(std::filesystem::exists(cut / "step-0000008.safetensors"));
  }
  DiffusionTransformer second(entangled_shape(), at::kCPU, 99);
  const FitResult result = fit_reg(second, set, small_config(), {.seed = 3, .folder = cut.path()});
  CHECK(result.resumed == 8);
  CHECK(at::equal(one.parameters().values(), second.parameters().values()));
  CHECK(content(whole / "final.safetensors") == content(cut / "final.safetensors"));
  CHECK(content(whole / "loss.csv") == content(cut / "loss.csv"));
}

TEST_CASE("reg: weight 0 of the alignment leaves the class token and no projector") {
  NetworkShape shape = entangled_shape();
  shape.align_depth = 0;
  TrainConfig config = small_config();
  config.align_weight = 0;
  DiffusionTransformer network(shape, at::kCPU, 7);
  TrainingSet set = entangled_set();
  set.visual_tokens = Tensor();
  const double before = fit_reg(network, set, config, {.seed = 3}).loss;
  CHECK(std::isfinite(before));
  CHECK(network.parameters().value("final_layer.linear_cls.weight").abs().max().item<float>() > 0);
}

TEST_CASE("reg: sets without class tokens, or of another width, are refused in one sentence") {
  DiffusionTransformer network(entangled_shape(), at::kCPU, 1);
  CHECK_THROWS_WITH(fit_reg(network, d2c_test::aligned_set(), small_config(), {}),
                    "training set: expected a class token for each of 12 images, found 0");
  TrainingSet set = entangled_set();
  set.class_tokens = at::zeros({12, 5});
  CHECK_THROWS_WITH(fit_reg(network, set, small_config(), {}),
                    "training set: expected class tokens of width 6 as the network's, found 5");
}

namespace {

struct JointOutput {
  Tensor prediction;
  Tensor variance;
};

/// The exact velocity where image (2 x 1 x 1) and class token (1) of the data are one normal vector
/// with mean zero and covariance `covariance`: at t its noisy covariance is (1 - t)^2 S + t^2.
struct ExactField {
  Tensor covariance; ///< [3, 3] float64

  JointOutput operator()(const Tensor& x, const Tensor& t, const Tensor& /*labels*/) const {
    const double time = t[0].item<double>();
    const Tensor one = at::eye(3, covariance.options());
    const Tensor noisy = covariance * ((1 - time) * (1 - time)) + one * (time * time);
    const Tensor velocity = at::matmul(one * time - covariance * (1 - time), at::inverse(noisy));
    return {at::matmul(x.to(at::kDouble), velocity.t()), {}};
  }
};

} // namespace

TEST_CASE("reg: image and class token are drawn from their joint distribution") {
  // From t = 1 to 0 the flow of a normal vector is the root of its covariance: a start of the image
  // alone moves the class token and the other way round.
  const Tensor root = at::tensor({1.2, 0.5, -0.4, 0.5, 0.8, 0.3, -0.4, 0.3, 0.9}, at::kDouble)
                          .view({3, 3}); // symmetric and positive
  const JointState layout({2, 1, 1}, 1);
  REQUIRE(layout.shape() == std::vector<std::int64_t>{3});
  constexpr std::int64_t n = 64;
  std::vector<std::int64_t> samples(n);
  std::iota(samples.begin(), samples.end(), std::int64_t{0});
  const std::vector<std::int64_t> labels(n, 0);
  SampleRequest request{.shape = layout.shape(), .samples = samples, .labels = labels, .seed = 9};
  const ExactField field{at::matmul(root, root)};
  const auto error = [&](int steps) {
    const Tensor found =
        sample_batch<Heun>(field, request, {.steps = steps}, Guidance{}).to(at::kDouble);
    const Tensor start =
        random_normal({.seed = 9, .stream = Stream::sampler_start}, samples, layout.shape());
    CHECK(layout.image(found).sizes() == at::IntArrayRef({n, 2, 1, 1}));
    CHECK(layout.class_token(found).sizes() == at::IntArrayRef({n, 1}));
    return (found - at::matmul(start.to(at::kDouble), root)).abs().max().item<double>();
  };
  const double coarse = error(20);
  const double fine = error(80);
  CHECK(fine < 2e-3);
  CHECK(fine < coarse / 8); // second order: 16

  // The stochastic sampler reaches the covariance, cross terms included.
  std::vector<std::int64_t> many(20000);
  std::iota(many.begin(), many.end(), std::int64_t{0});
  const std::vector<std::int64_t> many_labels(many.size(), 0);
  request.samples = many;
  request.labels = many_labels;
  const Tensor drawn =
      sample_batch<EulerMaruyama>(field, request, {.steps = 250}, Guidance{}).to(at::kDouble);
  const Tensor covariance = at::matmul(drawn.t(), drawn) / static_cast<double>(many.size());
  CHECK((covariance - field.covariance).abs().max().item<double>() < 0.06);
}

TEST_CASE("reg: the image's noise is that of a network without class token") {
  const std::vector<std::int64_t> samples{3, 8};
  const JointState with({1, 3, 3}, 4);
  const JointState without({1, 3, 3}, 0);
  CHECK(without.shape() == std::vector<std::int64_t>{1, 3, 3});
  const Draw draw{.seed = 4, .stream = Stream::sampler_noise, .step = 2};
  const Tensor joint = random_normal(draw, samples, with.shape());
  CHECK(at::equal(with.image(joint), random_normal(draw, samples, without.shape())));
  CHECK(at::equal(with.join(with.image(joint), with.class_token(joint)), joint));
  CHECK_FALSE(without.class_token(with.image(joint)).defined());
}
