// REG from the attached class token to the drawn image. Oracles: by hand, closed forms, and the
// same training cut and resumed. Its equations are compared in reg_reference_test.cpp.

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>
#include <small_training.hpp>

#include <d2c/core/rng.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/train/class_condition.hpp>
#include <d2c/train/data_order.hpp>
#include <d2c/train/fit.hpp>
#include <d2c/train/load_denoiser.hpp>
#include <d2c/train/reg_align.hpp>

using namespace d2c;

namespace {

using d2c_test::content;
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

struct Row {
  double loss = 0;
  double denoise = 0;
  double align = 0;
};

std::vector<Row> rows_of(const std::filesystem::path& path) {
  std::ifstream table(path);
  std::string line;
  std::getline(table, line);
  std::vector<Row> rows;
  while (std::getline(table, line)) {
    Row row;
    REQUIRE(std::sscanf(line.c_str(), "%*d,%lf,%lf,%lf", &row.loss, &row.denoise, &row.align) == 3);
    rows.push_back(row);
  }
  return rows;
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
  const auto rows = rows_of(folder / "loss.csv");
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
  const auto rows = rows_of(folder / "loss.csv");
  REQUIRE(rows.size() == 250);
  const auto of_class = [&](const Row& row) {
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
