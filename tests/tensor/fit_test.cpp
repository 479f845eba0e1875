// Oracles: by hand, and the same training done in another way (other batch split, resumed).

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>
#include <small_training.hpp>

#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/logit_normal_time.hpp>
#include <d2c/diffusion/noise_prediction.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/train/class_condition.hpp>
#include <d2c/train/dc_embedding.hpp>
#include <d2c/train/fit.hpp>
#include <d2c/train/no_align.hpp>
#include <d2c/train/text_condition.hpp>

using namespace d2c;
namespace fs = std::filesystem;

namespace {

using d2c_test::aligned_set;
using d2c_test::aligned_shape;
using d2c_test::content;
using d2c_test::small_set;
using d2c_test::small_shape;
using Folder = d2c_test::ScratchFolder;

TrainConfig small_config() {
  TrainConfig config;
  config.steps = 12;
  config.batch = 8;
  config.learning_rate = 3e-3;
  config.warmup = 3;
  config.schedule = "cosine";
  config.ema = 0.99;
  config.log_every = 1;
  config.checkpoint_every = 4;
  return config;
}

template <class Optimizer = AdamW>
FitResult fit_small(DiffusionTransformer& network, const TrainingSet& set,
                    const TrainConfig& config, const FitOptions& options) {
  return fit<FlowMatching, NoAlign, ClassCondition, Optimizer, UniformTime>(network, set, config,
                                                                            options);
}

std::string message(auto&& action) {
  try {
    action();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

} // namespace

TEST_CASE("fit: two constant classes are learned far below what ignorance allows") {
  // Predicting zero costs 2. Predicting the best function of x_t alone cannot tell the classes
  // apart at large t; a network that reads class and time can bring the loss towards 0.
  TrainConfig config = small_config();
  config.steps = 250;
  config.batch = 16;
  config.class_dropout = 0.0;
  SECTION("with AdamW") {
    DiffusionTransformer network(small_shape(), at::kCPU, 1);
    const FitResult result = fit_small(network, small_set(), config, {.seed = 1});
    CHECK(result.steps == 250);
    CHECK(result.loss < 0.5);
  }
  SECTION("with Muon and noise prediction") {
    NetworkShape shape = small_shape();
    shape.family = Family::dit;
    shape.learn_sigma = true;
    DiffusionTransformer network(shape, at::kCPU, 1);
    const FitResult result = fit<NoisePrediction, NoAlign, ClassCondition, Muon, LogitNormalTime>(
        network, small_set(), config, {.seed = 1});
    CHECK(result.loss < 0.5);
  }
}

TEST_CASE("fit: alignment and both embeddings learn together") {
  TrainConfig config = small_config();
  config.steps = 150;
  config.class_dropout = 0.0;
  Folder folder;
  DiffusionTransformer network(aligned_shape(), at::kCPU, 1);
  fit<FlowMatching, REPAAlign, DCEmbedding, Muon, UniformTime>(
      network, aligned_set(), config, {.seed = 1, .folder = folder.path()});
  std::ifstream table(folder / "loss.csv");
  std::string line;
  std::getline(table, line);
  CHECK(line == "step,loss,denoise,align,learning_rate,grad_norm");
  std::vector<double> align;
  double step = 0;
  while (std::getline(table, line)) {
    double loss = 0;
    double denoise = 0;
    double cosine = 0;
    REQUIRE(std::sscanf(line.c_str(), "%lf,%lf,%lf,%lf", &step, &loss, &denoise, &cosine) == 4);
    CHECK(loss == Approx(denoise + 0.5 * cosine).margin(1e-5));
    align.push_back(cosine);
  }
  CHECK(step == 150);
  REQUIRE(align.size() == 150);
  CHECK(align.front() > -0.5);
  CHECK(align.back() < -0.8);
}

TEST_CASE("fit: the class tells the images apart, the text does where only text is used") {
  TrainConfig config = small_config();
  config.steps = 250;
  config.batch = 16;
  NetworkShape shape = aligned_shape();
  shape.align_depth = 0;
  shape.class_embedding = false;
  DiffusionTransformer network(shape, at::kCPU, 1);
  const FitResult result = fit<FlowMatching, NoAlign, TextCondition, AdamW, UniformTime>(
      network, aligned_set(), config, {.seed = 1});
  network.parameters().values().copy_(result.average);
  const Tensor noise = at::zeros({2, 1, 4, 4});
  Conditioning conditioning;
  conditioning.labels = at::arange(2, at::kLong);
  const at::NoGradGuard no_grad;
  const Tensor velocity = network.forward(noise, at::full({2}, 0.98), conditioning).prediction;
  CHECK(velocity[0].mean().item<double>() > 0.4);  // towards -(-1)
  CHECK(velocity[1].mean().item<double>() < -0.4); // towards -(+1)
}

TEST_CASE("fit: the same seed gives the same bits, another seed others") {
  const auto weights = [](std::uint64_t seed) {
    DiffusionTransformer network(small_shape(), at::kCPU, 7);
    fit_small(network, small_set(), small_config(), {.seed = seed});
    return network.parameters().values().clone();
  };
  const Tensor first = weights(3);
  CHECK(at::equal(first, weights(3)));
  CHECK_FALSE(at::equal(first, weights(4)));
}

TEST_CASE("fit: with every image mirrored it trains as on mirrored images and tokens") {
  // Columns differ, so mirroring changes both.
  TrainingSet set = aligned_set();
  set.latents = set.latents + at::linspace(-1, 1, 4).view({1, 1, 1, 4});
  TrainingSet mirrored = set;
  mirrored.latents = set.latents.flip({3});
  mirrored.visual_tokens = set.visual_tokens.index_select(1, at::tensor({1, 0, 3, 2}, at::kLong));
  TrainConfig config = small_config();
  const auto weights = [&](const TrainingSet& on, double flip) {
    config.flip = flip;
    DiffusionTransformer network(aligned_shape(), at::kCPU, 5);
    fit<FlowMatching, REPAAlign, DCEmbedding, AdamW, UniformTime>(network, on, config, {.seed = 3});
    return network.parameters().values().clone();
  };
  const Tensor plain = weights(set, 0);
  CHECK(at::equal(weights(set, 1), weights(mirrored, 0)));
  CHECK(at::equal(weights(mirrored, 1), plain));
  CHECK_FALSE(at::equal(weights(set, 1), plain));
  CHECK_FALSE(at::equal(weights(set, 0.5), plain));
  CHECK_FALSE(at::equal(weights(set, 0.5), weights(set, 1)));
}

TEST_CASE("fit: mirroring turns the columns of images and of the tokens' grid, where drawn") {
  const Tensor images = at::arange(2 * 3 * 2 * 4, at::kFloat).view({2, 3, 2, 4});
  const Tensor turned = mirror_images(images, {1});
  CHECK(at::equal(turned[0], images[0]));
  CHECK(turned[1][2][1][0].item<float>() == images[1][2][1][3].item<float>());
  const Tensor tokens = at::arange(2 * 6 * 5, at::kFloat).view({2, 6, 5});
  const Tensor grid = mirror_tokens(tokens, {0}, 3); // two rows of three
  CHECK(at::equal(grid[0][0], tokens[0][2]));
  CHECK(at::equal(grid[0][4], tokens[0][4]));
  CHECK(at::equal(grid[0][5], tokens[0][3]));
  CHECK(at::equal(grid[1], tokens[1]));
  CHECK_THROWS_WITH(mirror_tokens(tokens, {0}, 4),
                    Catch::Contains("expected a grid of 4 columns to mirror, found 6 tokens"));
  std::vector<Visit> visits;
  for (std::int64_t i = 0; i < 4000; ++i) {
    visits.push_back({i % 500, static_cast<std::uint32_t>(i / 500)});
  }
  CHECK(mirrored_visits(1, visits, 0).empty());
  CHECK(mirrored_visits(1, visits, 1).size() == visits.size());
  // 4000 draws of probability 0.25: mean 1000, five standard deviations are 137.
  const auto quarter = mirrored_visits(1, visits, 0.25);
  CHECK(std::abs(static_cast<double>(quarter.size()) - 1000) < 137);
  const std::vector<Visit> one{visits[static_cast<std::size_t>(quarter[7])]};
  CHECK(mirrored_visits(1, one, 0.25).size() == 1);
}

TEST_CASE("fit: a NaN in the images stops the run with the step and what to try") {
  TrainingSet set = small_set();
  set.latents[5][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  DiffusionTransformer network(small_shape(), at::kCPU, 1);
  const std::string text = message([&] { fit_small(network, set, small_config(), {.seed = 1}); });
  CHECK_THAT(text, Catch::Contains("expected a finite loss at step") &&
                       Catch::Contains("of 12, found nan") &&
                       Catch::Contains("lower train.learning_rate"));
  CHECK_THROWS_AS(fit_small(network, set, small_config(), {.seed = 1}), Failure);
}

TEST_CASE("fit: a gradient that overflows stops the run") {
  DiffusionTransformer network(small_shape(), at::kCPU, 1);
  // The branch is closed by its zero gate, so only the gate's gradient sees the huge bias.
  const Tensor last = network.parameters().value("final_layer.linear.weight");
  last.copy_(at::arange(last.numel()).view(last.sizes()).to(at::kFloat).sin() * 1e17);
  network.parameters().value("blocks.1.attn.proj.bias").fill_(1e8f);
  const std::string text =
      message([&] { fit_small(network, small_set(), small_config(), {.seed = 1}); });
  CHECK_THAT(text, Catch::Contains("expected a finite gradient norm at step 1 of 12"));
}

TEST_CASE("fit: sets and configurations that do not fit are refused in one sentence") {
  DiffusionTransformer network(small_shape(), at::kCPU, 1);
  const auto refusal = [&](const TrainingSet& set) {
    return message([&] { fit_small(network, set, small_config(), {}); });
  };
  TrainingSet set = small_set();
  set.labels[3] = 2;
  CHECK(refusal(set) == "training set: expected labels 0 to 1, found 2");
  set = small_set();
  set.labels = set.labels.narrow(0, 0, 5);
  CHECK(refusal(set) == "training set: expected one label per image (12), found 5");
  set = small_set();
  set.latents = set.latents.narrow(2, 0, 2);
  CHECK(refusal(set) ==
        "training set: expected images of 1 x 4 x 4, found a tensor of 8 elements per image");
  CHECK(refusal(TrainingSet{}) == "training set: expected at least one image, found none");

  DiffusionTransformer aligned(aligned_shape(), at::kCPU, 1);
  CHECK(message([&] {
          fit<FlowMatching, REPAAlign, ClassCondition, AdamW, UniformTime>(aligned, small_set(),
                                                                           small_config(), {});
        }) == "training set: expected visual tokens for 12 images, found 0");
  CHECK(message([&] {
          fit<FlowMatching, NoAlign, DCEmbedding, AdamW, UniformTime>(aligned, small_set(),
                                                                      small_config(), {});
        }) == "training set: expected text tokens, found none attached");

  TrainConfig config = small_config();
  config.batch = 0;
  config.schedule = "steps";
  config.beta2 = 1.0;
  CHECK(message([&] { fit_small(network, small_set(), config, {}); }) ==
        "train.batch: expected a positive number, found 0\n"
        "train.beta2: expected a number in [0, 1), found 1.000000\n"
        "train.schedule: expected \"constant\", \"cosine\", \"linear\", \"step\" or "
        "\"exponential\", found \"steps\"");
}

TEST_CASE("fit: a run cut at a checkpoint goes on to the same bytes") {
  const auto train = [](const fs::path& folder) {
    DiffusionTransformer network(aligned_shape(), at::kCPU, 7);
    return fit<FlowMatching, REPAAlign, DCEmbedding, Muon, UniformTime>(
        network, aligned_set(), small_config(), {.seed = 5, .folder = folder});
  };
  Folder whole;
  Folder cut;
  CHECK(train(whole.path()).resumed == 0);
  fs::copy(whole / "step-0000004.safetensors", cut / "step-0000004.safetensors");
  // A log that is two rows ahead of the checkpoint and torn in the third.
  const std::string log = content(whole / "loss.csv");
  std::size_t end = 0;
  for (int line = 0; line < 7; ++line) {
    end = log.find('\n', end) + 1;
  }
  std::ofstream(cut / "loss.csv") << log.substr(0, end + 5);
  std::ofstream(cut / "final.safetensors.tmp-1-2") << "half a file";
  CHECK(train(cut.path()).resumed == 4);
  CHECK(content(cut / "final.safetensors") == content(whole / "final.safetensors"));
  CHECK(content(cut / "loss.csv") == log);
  CHECK_FALSE(fs::exists(cut / "final.safetensors.tmp-1-2"));

  const FitResult again = train(whole.path());
  CHECK(again.resumed == 12);
  CHECK(content(whole / "loss.csv") == log);
}

TEST_CASE("fit: only the newest step checkpoints stay") {
  Folder folder;
  TrainConfig config = small_config();
  config.checkpoint_every = 2;
  config.keep_checkpoints = 2;
  DiffusionTransformer network(small_shape(), at::kCPU, 7);
  fit_small(network, small_set(), config, {.seed = 5, .folder = folder.path()});
  CHECK(CheckpointFolder(folder.path()).steps() == std::vector<std::int64_t>{8, 10});
  CHECK(fs::exists(folder / "final.safetensors"));
}
