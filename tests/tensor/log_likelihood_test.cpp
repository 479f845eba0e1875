// Oracles: Gaussian data, whose flow and density are known in closed form; central differences.

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/core/error.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/sample/log_likelihood.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;

constexpr std::int64_t n = 5;
constexpr double mean = 0.3;

/// Two correlated numbers per image: N(mean, Q diag(0.25, 1.44) Q^T), Q a turn by 45 degrees.
Tensor axes() {
  const double r = std::numbers::sqrt2 / 2;
  return at::tensor({r, r, -r, r}, at::kDouble).view({2, 2});
}

Tensor variances() {
  return at::tensor({0.25, 1.44}, at::kDouble);
}

std::vector<std::int64_t> indices(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), first);
  return all;
}

Tensor images(std::int64_t first, std::int64_t count) {
  return random_normal({.step = 3}, indices(first, count), {2, 1, 1}).to(at::kDouble);
}

Tensor exact_nats(const Tensor& x) {
  const Tensor turned = (x.flatten(1) - mean).matmul(axes().t());
  return (turned.square() / variances()).sum(1) * -0.5 - variances().log().sum() * 0.5 -
         std::log(2 * std::numbers::pi);
}

/// The perfect denoiser of that data, for rows at times of their own.
auto gaussian_field(const Parametrisation& kind) {
  const auto predict = [kind](const Tensor& x, const std::vector<double>& times,
                              const std::vector<std::int64_t>&) {
    std::vector<Tensor> rows;
    for (std::size_t i = 0; i < times.size(); ++i) {
      const PathPoint p = path_point(kind.path, times[i]);
      const Tensor centred =
          (x[static_cast<std::int64_t>(i)].flatten() - p.alpha * mean).matmul(axes().t());
      const Tensor variance = variances() * (p.alpha * p.alpha) + p.sigma * p.sigma;
      const Tensor data = (centred * p.alpha * variances() / variance).matmul(axes()) + mean;
      const Tensor noise = (centred * p.sigma / variance).matmul(axes());
      rows.push_back(kind.target == TargetKind::velocity ? data * p.d_alpha + noise * p.d_sigma
                                                         : noise);
    }
    return Denoised<Tensor>{at::stack(rows).view(x.sizes()), {}};
  };
  return make_field<Tensor>(kind, predict);
}

NetworkShape tiny() {
  return {.family = Family::sit,
          .size = {.depth = 2, .width = 16, .heads = 2, .patch = 2},
          .channels = 1,
          .height = 4,
          .width = 4,
          .classes = 3};
}

/// Random weights everywhere: the published initialisation answers zero.
void fill(DiffusionTransformer& network) {
  const at::NoGradGuard no_grad;
  const auto& values = network.parameters().values();
  constexpr std::array<std::int64_t, 1> any{0};
  values.copy_(random_normal({.step = 77}, any, values.sizes())[0] * 0.2);
}

} // namespace

TEST_CASE("log-likelihood: a Gaussian's is the closed form, on average over probes") {
  const Tensor x = images(0, n);
  constexpr int probes = 512;
  // Hutchinson's error per probe is 2 |J01| e0 e1, whose integral is half the difference of the
  // logarithms of both deviations.
  const double spread = std::abs(std::log(0.5) - std::log(1.2)) / std::sqrt(double{probes});
  for (const PathKind path : {PathKind::linear, PathKind::gvp}) {
    const auto field = gaussian_field({path, TargetKind::velocity});
    for (const Probe probe : {Probe::rademacher, Probe::gaussian}) {
      const auto found =
          log_likelihood(field, x, indices(0, n), {.probe = probe, .probes = probes});
      const double times = probe == Probe::rademacher ? 1 : 2;
      CHECK((found.nats - exact_nats(x)).abs().max().item<double>() < 4 * times * spread);
      // The flow is the inverse of the sampler's: whitened data.
      const Tensor white =
          ((x.flatten(1) - mean).matmul(axes().t()) / variances().sqrt()).matmul(axes());
      CHECK((found.noise.flatten(1) - white).abs().max().item<double>() < 1e-3);
    }
  }
}

TEST_CASE("log-likelihood: exact where the trace needs no luck") {
  // Independent numbers of equal deviation: e J e is the trace for every probe of signs.
  const auto predict = [](const Tensor& x, const std::vector<double>& times,
                          const std::vector<std::int64_t>&) {
    const Tensor t = at::tensor(times, at::kDouble).view({-1, 1, 1, 1});
    const Tensor variance = (1 - t).square() * 0.16 + t.square();
    return Denoised<Tensor>{(t - (1 - t) * 0.16) / variance * (x - (1 - t) * mean) - mean, {}};
  };
  const auto field = make_field<Tensor>({PathKind::linear, TargetKind::velocity}, predict);
  const Tensor x = images(0, n);
  const Tensor exact = ((x - mean) / 0.4).square().flatten(1).sum(1) * -0.5 -
                       2 * (std::log(0.4) + 0.5 * std::log(2 * std::numbers::pi));
  for (const ProbeDraw draw : {ProbeDraw::fixed, ProbeDraw::fresh}) {
    const auto found = log_likelihood(
        field, x, indices(0, n), {.rtol = 1e-9, .atol = 1e-9, .draw = draw, .grey_levels = 127.5});
    CHECK((found.nats - exact).abs().max().item<double>() < 1e-6);
    // Bits: a density in model space over bins of width 1 / 127.5.
    const Tensor bits = exact / (-2 * std::log(2.0)) + std::log2(127.5);
    CHECK((found.bits_per_dimension - bits).abs().max().item<double>() < 1e-6);
  }
}

TEST_CASE("log-likelihood: predicted noise, whose ends are cut, is near the same") {
  const Tensor x = images(0, n);
  const auto options = LikelihoodOptions{.probes = 64};
  const auto cut = log_likelihood(gaussian_field({PathKind::linear, TargetKind::noise}), x,
                                  indices(0, n), options);
  const auto whole = log_likelihood(gaussian_field({PathKind::linear, TargetKind::velocity}), x,
                                    indices(0, n), options);
  CHECK((cut.nats - whole.nats).abs().max().item<double>() < 0.02);
}

TEST_CASE("log-likelihood: an image's does not depend on its batch") {
  const auto field = gaussian_field({PathKind::linear, TargetKind::velocity});
  for (const ProbeDraw draw : {ProbeDraw::fixed, ProbeDraw::fresh}) {
    const LikelihoodOptions options{.rtol = 1e-3, .atol = 1e-3, .draw = draw, .seed = 4};
    const auto together = log_likelihood(field, images(0, n), indices(0, n), options);
    for (std::int64_t i = 0; i < n; ++i) {
      const auto alone = log_likelihood(field, images(i, 1), indices(i, 1), options);
      CHECK(alone.nats.equal(together.nats.narrow(0, i, 1)));
      CHECK(alone.calls[0] == together.calls[static_cast<std::size_t>(i)]);
    }
  }
}

TEST_CASE("log-likelihood: what cannot be computed is refused in a sentence") {
  const auto field = gaussian_field({PathKind::ddpm_linear, TargetKind::noise});
  CHECK_THROWS_AS(log_likelihood(field, images(0, n), indices(0, n), {}), InputError);
  const auto flow = gaussian_field({PathKind::linear, TargetKind::velocity});
  CHECK_THROWS_AS(log_likelihood(flow, images(0, n), indices(0, 2), {}), InputError);
  CHECK_THROWS_AS(log_likelihood(flow, images(0, n), indices(0, n), {.probes = 0}), InputError);
}

TEST_CASE("log-likelihood: the network's gradient by its input is the central difference") {
  DiffusionTransformer network(tiny(), at::kCPU, 1, at::kDouble);
  fill(network);
  const std::vector<std::int64_t> samples = indices(0, 2);
  const Tensor x = random_normal({.step = 1}, samples, {1, 4, 4}).to(at::kDouble);
  const Tensor direction = random_normal({.step = 2}, samples, {1, 4, 4}).to(at::kDouble);
  const Tensor t = at::tensor({0.3, 0.8}, at::kDouble);
  const Tensor labels = at::tensor({std::int64_t{1}, std::int64_t{3}});
  const auto answer = [&](const Tensor& at) {
    return (network.forward(at, t, {labels, {}}).prediction * direction).sum();
  };
  const Tensor leaf = x.detach().clone().requires_grad_(true);
  const Tensor gradient = torch::autograd::grad({answer(leaf)}, {leaf})[0];
  CHECK(gradient.abs().max().item<double>() > 1e-2);
  const at::NoGradGuard no_grad;
  constexpr double step = 1e-5;
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const Tensor bump = at::zeros_like(x);
    bump.view({-1})[i] = step;
    const double slope = (answer(x + bump) - answer(x - bump)).item<double>() / (2 * step);
    CHECK(gradient.view({-1})[i].item<double>() == Approx(slope).margin(1e-6));
  }
}

TEST_CASE("log-likelihood: of a network, in bits, leaving no gradients behind") {
  DiffusionTransformer network(tiny(), at::kCPU, 1);
  fill(network);
  const std::vector<std::int64_t> samples = indices(0, 3);
  const Tensor x = random_normal({.step = 5}, samples, {1, 4, 4});
  const Tensor labels = at::tensor({std::int64_t{0}, std::int64_t{2}, std::int64_t{3}});
  const Parametrisation kind{PathKind::linear, TargetKind::velocity};
  const auto found =
      log_likelihood(network, kind, x, labels, samples, {.rtol = 1e-3, .atol = 1e-3, .probes = 2});
  CHECK(found.nats.isfinite().all().item<bool>());
  CHECK((found.bits_per_dimension + found.nats / (16 * std::log(2.0))).abs().max().item<double>() <
        1e-12);
  CHECK(found.noise.sizes() == x.sizes());
  CHECK(network.parameters().gradients().abs().max().item<double>() == 0);
  // A network that answers zero leaves images where they are: the normal density itself.
  DiffusionTransformer still(tiny(), at::kCPU, 1);
  const auto normal = log_likelihood(still, kind, x, labels, samples, {});
  const Tensor density =
      x.to(at::kDouble).square().flatten(1).sum(1) * -0.5 - 8 * std::log(2 * std::numbers::pi);
  CHECK((normal.nats - density).abs().max().item<double>() < 1e-9);
}
