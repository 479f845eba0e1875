// Oracles: numpy, diffusers' schedulers and torch.distributions, run by
// tests/reference/diffusion.py.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/diffusion/ddpm.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/euler.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/noise_prediction.hpp>
#include <d2c/diffusion/noise_prediction_tensors.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/time_grid.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;

std::filesystem::path reference_file() {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/diffusion.py wrote to");
  }
  return std::filesystem::path(folder) / "diffusion" / "diffusion.safetensors";
}

Tensor read(const SafetensorsFile& file, const std::string& name) {
  return at::tensor(file.values<double>(name), at::kDouble).view(file.entry(name).shape);
}

Denoised<Tensor> network(const Tensor& x, double t, bool learned) {
  Denoised<Tensor> out{0.8 * (x + 0.001 * t).sin(), std::nullopt};
  if (learned) {
    out.variance = (2 * x - 0.002 * t).cos();
  }
  return out;
}

double relative(const Tensor& found, const Tensor& expected) {
  return ((found - expected).abs().max() / expected.abs().max()).item<double>();
}

struct Output {
  Tensor prediction;
  Tensor variance;
};

} // namespace

TEST_CASE("diffusion reference: the schedule agrees with numpy to 1e-10") {
  const SafetensorsFile file(reference_file());
  const auto& schedule = DdpmSchedule::full();
  const auto compare = [&](const ScheduleTable& table, const std::string& name) {
    INFO(name);
    const auto expected = file.values<double>(name);
    REQUIRE(expected.size() == table.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      REQUIRE(std::abs(table[i] - expected[i]) <= 1e-10 * std::abs(expected[i]));
    }
  };
  compare(schedule.alpha_bar, "alpha_bar");
  compare(schedule.posterior_log_variance_clipped, "posterior_log_variance_clipped");
  compare(schedule.posterior_state_weight, "posterior_state_weight");
  compare(schedule.posterior_data_weight, "posterior_data_weight");
}

TEST_CASE("diffusion reference: DDPM chains agree with diffusers, whole and respaced") {
  const SafetensorsFile file(reference_file());
  for (const auto& [name, steps, learned] :
       {std::tuple{"respaced.learned", 250, true}, std::tuple{"respaced.plain", 250, false},
        std::tuple{"full.learned", 1000, true}}) {
    INFO(name);
    const std::string prefix = name;
    const Tensor noises = read(file, prefix + ".noises");
    const bool variance = learned;
    const Tensor found = DDPM::sample(
        read(file, prefix + ".start"), {.steps = steps},
        make_field<Tensor>({PathKind::ddpm_linear, TargetKind::noise},
                           [&](const Tensor& x, double t) { return network(x, t, variance); }),
        [&](std::uint32_t step) { return noises[static_cast<std::int64_t>(step)]; });
    CHECK(relative(found, read(file, prefix + ".end")) < 1e-10);
  }
}

TEST_CASE("diffusion reference: shifted Euler steps agree with diffusers") {
  const SafetensorsFile file(reference_file());
  const SamplingOptions options{.steps = 12, .time_shift = 2};
  const auto grid = time_grid(options);
  const auto times = file.values<double>("flow.times");
  REQUIRE(times.size() + 1 == grid.size());
  for (std::size_t i = 0; i < times.size(); ++i) {
    CHECK(grid[i] == Approx(times[i]).epsilon(1e-6)); // diffusers keeps them in float32
  }
  const Tensor found = Euler::sample(
      read(file, "flow.start"), options,
      make_field<Tensor>({PathKind::linear, TargetKind::velocity},
                         [](const Tensor& x, double t) { return network(x, 1000 * t, false); }),
      [](std::uint32_t) {});
  CHECK(relative(found, read(file, "flow.end")) < 1e-5);
}

TEST_CASE("diffusion reference: the variational bound is torch.distributions' divergence") {
  const SafetensorsFile file(reference_file());
  const Tensor x0 = read(file, "bound.x0");
  const Tensor noise = read(file, "bound.noise");
  const Tensor t = read(file, "bound.steps");
  const Tensor x_t = NoisePrediction::diffuse(x0, noise, t);
  CHECK(relative(x_t, read(file, "bound.x_t")) < 1e-12);
  const Output out{read(file, "bound.guess"), read(file, "bound.head")};
  CHECK(relative(NoisePrediction::loss(out, x0, noise, x_t, t), read(file, "bound.loss")) < 1e-10);
  const Output narrow{out.prediction.to(at::kFloat), out.variance.to(at::kFloat)};
  const auto f = [](const Tensor& x) { return x.to(at::kFloat); };
  CHECK(relative(NoisePrediction::loss(narrow, f(x0), f(noise), f(x_t), f(t)),
                 read(file, "bound.loss")) < 1e-5);
}
