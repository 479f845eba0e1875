// Oracle: torch.optim.AdamW and torch.optim.Muon, run by tests/reference/optimizers.py.

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>

#include <d2c/io/safetensors.hpp>
#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/adamw_optimizer.hpp>
#include <d2c/train/gradient_clip.hpp>
#include <d2c/train/muon_optimizer.hpp>

namespace {

using namespace d2c;

std::filesystem::path reference_folder() {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/optimizers.py wrote to");
  }
  return std::filesystem::path(folder) / "optimizers" / "optimizers.safetensors";
}

std::vector<ParameterEntry> entries() {
  return {{"x_embedder.proj.weight", {8, 3, 2, 2}},
          {"blocks.0.attn.qkv.weight", {24, 8}},
          {"blocks.0.attn.qkv.bias", {24}},
          {"blocks.0.attn.proj.weight", {8, 8}},
          {"blocks.0.mlp.fc1.weight", {32, 8}},
          {"blocks.0.mlp.fc2.weight", {8, 32}},
          {"blocks.0.adaLN_modulation.1.weight", {48, 8}}};
}

Tensor read(const SafetensorsFile& file, const std::string& name) {
  return at::tensor(file.values<float>(name)).view(file.entry(name).shape);
}

/// Largest difference of values and of averages over the steps that Python took.
template <class Policy>
std::pair<double, double> compare(const std::string& run) {
  const SafetensorsFile file(reference_folder());
  const Tensor gradients = read(file, "gradients");
  const Tensor values = read(file, run + ".values");
  const Tensor averages = read(file, run + ".averages");
  const Tensor norms = read(file, run + ".norms");

  TrainConfig config;
  config.learning_rate = 1e-2;
  config.muon_learning_rate = 3e-2;
  config.beta2 = 0.99;
  config.weight_decay = 0.1;
  ParameterTable table(entries(), at::kCPU);
  table.values().copy_(read(file, "start"));
  Tensor average = table.values().clone();
  auto optimizer = make_optimizer(Policy{}, table, config);
  std::pair<double, double> worst{0, 0};
  for (std::int64_t step = 0; step < gradients.size(0); ++step) {
    table.gradients().copy_(gradients[step]);
    const double norm = gradient_norm(table.gradients());
    CHECK(norm == Approx(norms[step].item<double>()).epsilon(1e-6));
    OptimizerStep update;
    update.index = step;
    update.gradient_scale = clip_factor(norm, 1.0);
    update.ema_decay = 0.9;
    optimizer.step(update, table, average);
    worst.first = std::max(worst.first, (table.values() - values[step]).abs().max().item<double>());
    worst.second = std::max(worst.second, (average - averages[step]).abs().max().item<double>());
  }
  return worst;
}

} // namespace

TEST_CASE("optimizers: AdamW with clipping takes the steps of torch.optim.AdamW") {
  const auto [values, averages] = compare<AdamW>("adamw");
  CHECK(values <= 1e-6);
  CHECK(averages <= 1e-6);
}

TEST_CASE("optimizers: Muon takes the steps of torch.optim.Muon with float32 iterations") {
  const auto [values, averages] = compare<Muon>("muon");
  CHECK(values <= 2e-6);
  CHECK(averages <= 2e-6);
}

TEST_CASE("optimizers: Muon stays near torch.optim.Muon with its bfloat16 iterations") {
  // One step moves an element by about rate / sqrt(columns) = 0.01; eight steps were taken.
  const auto [values, averages] = compare<Muon>("muon_bfloat16");
  CHECK(values <= 4e-3);
  CHECK(values > 2e-6);
  CHECK(averages <= 4e-3);
}
