// What changes in the course of a training: pieces of batches, weight of the aligner, averages,
// held-out loss. Oracles: by hand, sums written out, and the same training done in another way.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include <catch.hpp>
#include <loss_rows.hpp>
#include <scratch_folder.hpp>
#include <small_training.hpp>

#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/uniform_time.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/train/batch_gradient.hpp>
#include <d2c/train/class_condition.hpp>
#include <d2c/train/dc_embedding.hpp>
#include <d2c/train/dispersion.hpp>
#include <d2c/train/fit.hpp>
#include <d2c/train/held_out_loss.hpp>
#include <d2c/train/held_out_set.hpp>
#include <d2c/train/no_align.hpp>
#include <d2c/train/optimizer.hpp>
#include <d2c/train/post_hoc_average.hpp>

using namespace d2c;
namespace fs = std::filesystem;

namespace {

using d2c_test::aligned_set;
using d2c_test::aligned_shape;
using d2c_test::content;
using d2c_test::loss_rows;
using d2c_test::small_set;
using d2c_test::small_shape;
using Folder = d2c_test::ScratchFolder;

TrainConfig short_config() {
  TrainConfig config;
  config.steps = 12;
  config.batch = 8;
  config.learning_rate = 3e-3;
  config.log_every = 1;
  config.checkpoint_every = 4;
  return config;
}

/// A flat tensor of what a file holds under `prefix`, in the order of the table.
Tensor flat(const fs::path& path, const std::string& prefix, const ParameterTable& table) {
  const WeightsFile file(path);
  Tensor values = at::empty({table.values().numel()}, at::kFloat);
  for (const ParameterEntry& entry : table.entries()) {
    values.narrow(0, table.offset(entry.name), entry.count())
        .copy_(file.read(prefix + entry.name).flatten());
  }
  return values;
}

struct Killed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A network that dies at its n-th forward pass.
class Mortal {
public:
  Mortal(const NetworkShape& shape, int passes) : network_{shape, at::kCPU, 7}, passes_{passes} {}

  template <class... Arguments>
  TransformerOutput forward(const Arguments&... arguments) {
    if (passes_-- == 0) {
      throw Killed("killed");
    }
    return network_.forward(arguments...);
  }

  ParameterTable& parameters() { return network_.parameters(); }

  [[nodiscard]] const NetworkShape& shape() const { return network_.shape(); }

  void set_text_table(const Tensor& tokens, const Tensor& mask) {
    network_.set_text_table(tokens, mask);
  }

private:
  DiffusionTransformer network_;
  int passes_;
};

} // namespace

static_assert(OptimizerPolicy<AdamW> && OptimizerPolicy<Muon> && !OptimizerPolicy<NoAlign>);

TEST_CASE("dispersion: value and gradient are those of autograd over the written-out sum") {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const Tensor hidden = at::randn({5, 3, 4}, options).requires_grad_(true);
  const double temperature = 0.6;
  const Tensor loss = dispersive_loss(hidden, temperature);
  (loss * 0.7).backward();
  const Tensor gradient = hidden.grad().clone();

  const Tensor again = hidden.detach().requires_grad_(true);
  const Tensor rows = again.flatten(1);
  const Tensor difference = rows.unsqueeze(0) - rows.unsqueeze(1);
  const Tensor distances = difference.square().sum(-1);
  const Tensor plain = (-distances / (12 * temperature)).exp().mean().log();
  (plain * 0.7).backward();
  CHECK(loss.item<double>() == Approx(plain.item<double>()).epsilon(1e-12));
  CHECK((gradient - again.grad()).abs().max().item<double>() < 1e-15);
  const double step = 1e-6;
  for (const std::int64_t i : {0, 17, 59}) {
    const Tensor up = hidden.detach().clone();
    const Tensor down = hidden.detach().clone();
    up.view(-1)[i] += step;
    down.view(-1)[i] -= step;
    const double slope = (dispersive_loss(up, temperature).item<double>() -
                          dispersive_loss(down, temperature).item<double>()) /
                         (2 * step);
    CHECK(0.7 * slope == Approx(gradient.view(-1)[i].item<double>()).margin(1e-9));
  }
}

TEST_CASE("dispersion: by hand; equal images cost nothing, far ones all but their own pairs") {
  CHECK(dispersive_loss(at::ones({4, 6}), 1).item<double>() == Approx(0).margin(1e-6));
  const Tensor far = at::eye(4) * 1e3;
  CHECK(dispersive_loss(far, 1).item<double>() == Approx(std::log(0.25)));
  // Two images at distance 2 in 2 values: pairs (0, 0, 2, 2) give log((2 + 2 e^-2) / 4).
  const Tensor two = at::tensor({5.0f, 1.0f, 7.0f, 1.0f}).view({2, 2});
  CHECK(dispersive_loss(two, 1).item<double>() ==
        Approx(std::log((1 + std::exp(-2.0)) / 2)).epsilon(1e-6));
  CHECK_THROWS_WITH(dispersive_loss(at::ones({1, 6}), 1),
                    Catch::Contains("expected at least two images") && Catch::Contains("found 1"));
  CHECK(disperse_depth(sizes::XL(2), {}) == 7);
  CHECK(disperse_depth({2, 32, 2, 2}, {}) == 1);
}

TEST_CASE("dispersion: hidden tokens move apart while the images are learned") {
  TrainConfig config = short_config();
  config.steps = 150;
  config.class_dropout = 0;
  const auto last_rows = [&](double weight) {
    config.align_weight = weight;
    Folder folder;
    DiffusionTransformer network(small_shape(), at::kCPU, 1);
    fit<FlowMatching, DispersiveLoss, ClassCondition, AdamW, UniformTime>(
        network, small_set(), config, {.seed = 1, .folder = folder.path()});
    return loss_rows(folder / "loss.csv");
  };
  const auto rows = last_rows(0.5);
  CHECK(rows.front().loss == Approx(rows.front().denoise + 0.5 * rows.front().align));
  CHECK(rows.back().align < -1);
  CHECK(rows.back().align < 2 * rows.front().align);
  CHECK(rows.back().denoise < 0.8);
  CHECK(last_rows(0).back().align == 0);
}

TEST_CASE("accumulate: pieces see the same noise and add up to the gradient of the whole batch") {
  TrainConfig config = short_config();
  config.flip = 0.5;
  const TrainingSet set = aligned_set();
  const std::vector<Visit> visits = DataOrder(3, set.size()).batch(2, 8);
  const auto gradient = [&](std::int64_t pieces, BatchLosses& losses) {
    DiffusionTransformer network(aligned_shape(), at::kCPU, 7);
    network.set_text_table(set.text_tokens, set.text_mask);
    // Zero gates would hide most of the network.
    network.parameters().values().add_(
        at::arange(network.parameters().values().numel()).to(at::kFloat).sin() * 0.02);
    BatchGradient<FlowMatching, REPAAlign, DCEmbedding, UniformTime, DiffusionTransformer> batch(
        network, set, config, 3, 8 / pieces);
    for (std::int64_t k = 0; k < pieces; ++k) {
      losses += batch.add(std::span(visits).subspan(static_cast<std::size_t>(k * 8 / pieces),
                                                    static_cast<std::size_t>(8 / pieces)),
                          1.0 / static_cast<double>(pieces), 0.5);
    }
    return network.parameters().gradients().clone();
  };
  BatchLosses whole_losses;
  const Tensor whole = gradient(1, whole_losses);
  for (const std::int64_t pieces : {2, 8}) {
    BatchLosses losses;
    const Tensor sum = gradient(pieces, losses);
    CHECK((sum - whole).norm().item<double>() < 2e-6 * whole.norm().item<double>());
    CHECK(losses.total == Approx(whole_losses.total).epsilon(1e-6));
    CHECK(losses.align == Approx(whole_losses.align).margin(1e-6));
  }

  // And in a training.
  const auto last_loss = [&](std::int64_t pieces) {
    TrainConfig pieced = short_config();
    pieced.accumulate = pieces;
    DiffusionTransformer network(small_shape(), at::kCPU, 7);
    return fit<FlowMatching, NoAlign, ClassCondition, AdamW, UniformTime>(network, small_set(),
                                                                          pieced, {.seed = 5})
        .loss;
  };
  CHECK(last_loss(4) == Approx(last_loss(1)).epsilon(1e-3));
}

TEST_CASE("alignment: once it has stopped the denoising loss is all there is") {
  TrainConfig config = short_config();
  config.align_schedule = "linear";
  config.align_stop = 8;
  Folder folder;
  DiffusionTransformer network(aligned_shape(), at::kCPU, 7);
  fit<FlowMatching, REPAAlign, DCEmbedding, AdamW, UniformTime>(
      network, aligned_set(), config, {.seed = 5, .folder = folder.path()});
  const auto rows = loss_rows(folder / "loss.csv");
  REQUIRE(rows.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) {
    if (i < 8) {
      const double weight = 0.5 * (1 - static_cast<double>(i) / 8);
      CHECK(rows[i].loss == Approx(rows[i].denoise + weight * rows[i].align).margin(1e-5));
    } else {
      CHECK(rows[i].loss == rows[i].denoise);
      CHECK(std::isnan(rows[i].align));
    }
  }
}

TEST_CASE("averages: both profiles are the written-out sums, others are made afterwards") {
  TrainConfig config = short_config();
  config.steps = 48;
  config.ema_profile = "power";
  config.ema_snapshot_every = 6;
  config.checkpoint_every = 1;
  config.keep_checkpoints = 0;
  Folder folder;
  DiffusionTransformer network(small_shape(), at::kCPU, 7);
  const ParameterTable& table = network.parameters();
  const FitResult result = fit<FlowMatching, NoAlign, ClassCondition, AdamW, UniformTime>(
      network, small_set(), config, {.seed = 5, .folder = folder.path()});
  const CheckpointFolder files(folder.path());
  std::vector<Tensor> weights;
  for (std::int64_t step = 1; step <= 48; ++step) {
    weights.push_back(
        flat(step < 48 ? files.step(step) : files.final(), "model.", table).to(at::kDouble));
  }
  const auto exact = [&](double sigma_rel) {
    const double power = gamma_of_sigma_rel(sigma_rel) + 1;
    Tensor sum = at::zeros_like(weights[0]);
    for (std::size_t i = 0; i < 48; ++i) {
      const auto n = static_cast<double>(i + 1);
      sum += weights[i] * (std::pow(n / 48, power) - std::pow((n - 1) / 48, power));
    }
    return sum;
  };
  const auto distance = [](const Tensor& a, const Tensor& b) {
    return (a.to(at::kDouble) - b).norm().item<double>();
  };
  CHECK(files.averages() == std::vector<std::int64_t>{6, 12, 18, 24, 30, 36, 42, 48});
  const Tensor shorter = flat(files.average(48), "ema.", table);
  const Tensor longer = flat(files.average(48), "second.", table);
  CHECK(at::equal(shorter, result.average));
  CHECK(distance(shorter, exact(0.05)) < 2e-6 * exact(0.05).norm().item<double>());
  CHECK(distance(longer, exact(0.1)) < 2e-6 * exact(0.1).norm().item<double>());

  const std::string shape = network_shape_to_json(network.shape());
  for (const double sigma_rel : {0.07, 0.085, 0.12}) {
    const Tensor made = post_hoc_average(folder.path(), table, shape, sigma_rel);
    INFO(sigma_rel);
    CHECK(distance(made, exact(sigma_rel)) <
          0.25 * std::min(distance(shorter, exact(sigma_rel)), distance(longer, exact(sigma_rel))));
  }
  CHECK(distance(post_hoc_average(folder.path(), table, shape, 0.1, 24),
                 flat(files.average(24), "second.", table).to(at::kDouble)) < 1e-4);
  const auto loaded = load_post_hoc_denoiser(folder.path(), at::kCPU, 0.05);
  CHECK(distance(loaded->parameters().values(), shorter.to(at::kDouble)) < 1e-4);
  CHECK_THROWS_WITH(post_hoc_average(folder.path(), table, shape, 0.1, 25),
                    Catch::Contains("after 25 updates") &&
                        Catch::Contains("found earlier ones alone"));
  CHECK_THROWS_WITH(post_hoc_average(folder.path(), table, "{}", 0.1),
                    Catch::Contains("average-0000006.safetensors"));
}

TEST_CASE("held out: a network that predicts nothing has the mean square of the velocity") {
  DiffusionTransformer network(small_shape(), at::kCPU, 1);
  const TrainingSet set = small_set(5);
  HeldOutLoss<FlowMatching, NoAlign, ClassCondition, DiffusionTransformer> loss(network, set, 9, 2);
  const Tensor before = network.parameters().values().clone();
  const Tensor average = before * 0.5; // its last layer is zero as well
  const HeldOutResult found = loss.measure(average);
  CHECK(at::equal(network.parameters().values(), before));
  std::vector<double> of_image;
  for (std::uint32_t i = 0; i < 5; ++i) {
    double sum = 0;
    for (std::uint32_t part = 0; part < 8; ++part) {
      float noise[16];
      fill_normal({9, Stream::held_out_noise, 2 * part, i}, noise, 16);
      for (const float value : noise) {
        const double pixel = i % 2 == 0 ? -1 : 1;
        sum += std::pow(static_cast<double>(value) - pixel, 2) / (16 * 8);
      }
    }
    of_image.push_back(sum);
  }
  double mean = 0;
  for (const double value : of_image) {
    mean += value / 5;
  }
  double variance = 0;
  for (const double value : of_image) {
    variance += (value - mean) * (value - mean) / 4;
  }
  CHECK(found.loss == Approx(mean).epsilon(1e-6));
  CHECK(found.standard_error == Approx(std::sqrt(variance / 5)).epsilon(1e-4));
  CHECK(loss.measure(average).loss == found.loss);
}

TEST_CASE("held out: a share is taken out of the set, the rest is trained on") {
  TrainingSet set = aligned_set(10);
  set.latents = at::arange(10).view({10, 1, 1, 1}).expand({10, 1, 4, 4}).to(at::kFloat);
  const TrainingSet taken = take_share(set, 0.3, 4);
  CHECK(taken.size() == 3);
  CHECK(set.size() == 7);
  CHECK(set.visual_tokens.size(0) == 7);
  CHECK(taken.text_tokens.size(0) == 2);
  const Tensor numbers = at::cat({taken.latents, set.latents}).select(3, 0).select(2, 0).flatten();
  CHECK(std::get<0>(numbers.sort()).equal(at::arange(10).to(at::kFloat)));
  const Tensor expected = taken.latents.select(3, 0).select(2, 0).flatten().to(at::kLong) % 2;
  CHECK(taken.labels.equal(expected));
  TrainingSet one = small_set(1);
  CHECK_THROWS_WITH(take_share(one, 0.5, 4), Catch::Contains("at least two images"));
}

TEST_CASE("fit: killed at any moment it goes on to the same bytes of every file") {
  TrainConfig config = short_config();
  config.accumulate = 2;
  config.schedule = "step";
  config.decay_every = 3;
  config.decay_factor = 0.5;
  config.ema_profile = "power";
  config.ema_snapshot_every = 3;
  config.align_schedule = "cosine";
  config.align_stop = 9;
  config.evaluate_every = 2;
  config.text_dropout_joint = false;
  config.text_dropout = 0.4;
  config.flip = 0.5;
  config.keep_every = 4;
  const auto train = [&](const fs::path& folder, int passes) {
    Mortal network(aligned_shape(), passes);
    FitOptions options{.seed = 5, .folder = folder};
    options.held_out = small_set(3);
    return fit<FlowMatching, REPAAlign, DCEmbedding, Muon, UniformTime>(network, aligned_set(),
                                                                        config, options);
  };
  Folder whole;
  const FitResult result = train(whole.path(), 1 << 20);
  CHECK(result.held_out_loss > 0);
  const auto names = [](const fs::path& folder) {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder)) {
      found.push_back(entry.path().filename().string());
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  REQUIRE(names(whole.path()) ==
          std::vector<std::string>{"average-0000003.safetensors", "average-0000006.safetensors",
                                   "average-0000009.safetensors", "average-0000012.safetensors",
                                   "final.safetensors", "held_out.csv", "loss.csv",
                                   "step-0000004.safetensors", "step-0000008.safetensors"});
  // An update is 2 passes, a measurement 8: 24 and 48 in all. Killed before the first checkpoint,
  // between piece and piece, within measurements, before and behind stored averages, at the end.
  int lives = 0;
  for (const int passes : {0, 1, 11, 25, 26, 33, 43, 51, 53, 71}) {
    Folder cut;
    CHECK_THROWS_AS(train(cut.path(), passes), Killed);
    lives += train(cut.path(), 1 << 20).resumed > 0 ? 1 : 0;
    INFO("killed at pass " << passes);
    REQUIRE(names(cut.path()) == names(whole.path()));
    for (const std::string& name : names(whole.path())) {
      INFO(name);
      CHECK(content(cut / name) == content(whole / name));
    }
  }
  CHECK(lives >= 5);
  std::ifstream table(whole / "held_out.csv");
  std::string line;
  std::getline(table, line);
  CHECK(line == "step,loss,standard_error");
  int rows = 0;
  while (std::getline(table, line)) {
    CHECK(std::stoi(line) == 2 * ++rows);
  }
  CHECK(rows == 6);

  // The measurement changes no bit of the training.
  TrainConfig silent = config;
  silent.evaluate_every = 0;
  Mortal network(aligned_shape(), 1 << 20);
  fit<FlowMatching, REPAAlign, DCEmbedding, Muon, UniformTime>(network, aligned_set(), silent,
                                                               {.seed = 5});
  CHECK(at::equal(network.parameters().values(),
                  flat(whole / "final.safetensors", "model.", network.parameters())));
}

TEST_CASE("fit: a measurement without held-out images is refused") {
  TrainConfig config = short_config();
  config.evaluate_every = 2;
  DiffusionTransformer network(small_shape(), at::kCPU, 1);
  CHECK_THROWS_WITH((fit<FlowMatching, NoAlign, ClassCondition, AdamW, UniformTime>(
                        network, small_set(), config, {})),
                    "held-out set: expected at least one image, found none");
}
