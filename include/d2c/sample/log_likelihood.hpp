#pragma once
/// How likely images are under a trained denoiser, by the probability flow.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numbers>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/diffusion/dopri5_integrator.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/diffusion/option_name.hpp>
#include <d2c/diffusion/option_refusal.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/time_range.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/sample/guided_prediction.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/tensor_rows.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Random vectors whose products with the Jacobian estimate its trace (Hutchinson 1989): entries
/// +-1, or standard normals, which have more variance.
enum class Probe { rademacher, gaussian };

template <>
inline constexpr std::array<std::string_view, 2> option_names<Probe>{"rademacher", "gaussian"};

/// When probes are drawn: `fixed`: once per image, so that the integrand is smooth (FFJORD,
/// Grathwohl et al. 2019); `fresh`: at every network call, as the published SiT code does, whose
/// step control then works against the probes' own noise.
enum class ProbeDraw { fixed, fresh };

template <>
inline constexpr std::array<std::string_view, 2> option_names<ProbeDraw>{"fixed", "fresh"};

/// Accuracy and randomness of a log-likelihood.
struct LikelihoodOptions {
  double rtol = 1e-5;
  double atol = 1e-5;
  StepControl control = StepControl::sample;
  Probe probe = Probe::rademacher;
  ProbeDraw draw = ProbeDraw::fixed;
  int probes = 1;         ///< averaged; each costs one more backward pass per network call
  double grey_levels = 1; ///< per unit of model space, for bits: 127.5 for images in [-1, 1]
  std::uint64_t seed = 0;
};

/// What is known of n images.
struct LogLikelihood {
  Tensor nats;                     ///< [n] float64, log density in model space
  Tensor bits_per_dimension;       ///< [n] float64: -nats / (D ln 2) + log2(grey_levels)
  Tensor noise;                    ///< [n, ...] float64: where the flow takes each image
  std::vector<std::int64_t> calls; ///< network calls per image
};

/// log p(x_0) = log N(x_1; 0, 1) + integral of tr(dv/dx) dt over the flow from data to noise (Song
/// et al. 2021, eq. 39; SiT's sample_ode_likelihood), by Dopri5Integrator with the error of a step
/// the larger one of image and trace, as torchdiffeq has it for a pair. `field` is a
/// Field<Tensor, ...> whose prediction can be differentiated; x0 [n, ...]; `samples[i]` keys the
/// probe of row i, so a result does not depend on its batch. InputError for a DDPM schedule.
template <class Field>
[[nodiscard]] LogLikelihood log_likelihood(const Field& field, const Tensor& x0,
                                           std::span<const std::int64_t> samples,
                                           const LikelihoodOptions& options) {
  if (const std::string refusal = refuse_schedule("log-likelihood", field.parametrisation());
      !refusal.empty()) {
    throw InputError(refusal);
  }
  if (options.probes < 1 || static_cast<std::int64_t>(samples.size()) != x0.size(0)) {
    throw InputError("log-likelihood: expected at least 1 probe and a sample index per image, "
                     "found " +
                     std::to_string(options.probes) + " probes, " + std::to_string(samples.size()) +
                     " indices and " + std::to_string(x0.size(0)) + " images");
  }
  const std::vector<std::int64_t> shape(x0.sizes().begin() + 1, x0.sizes().end());
  const std::int64_t dimensions = x0.numel() / std::max<std::int64_t>(x0.size(0), 1);
  std::vector<std::uint32_t> asked(samples.size(), 0);

  const auto probe = [&](const std::vector<std::int64_t>& rows, int which) {
    std::vector<Tensor> normals;
    for (const std::int64_t row : rows) {
      const auto r = static_cast<std::size_t>(row);
      const std::uint32_t call = options.draw == ProbeDraw::fresh ? asked[r] : 0;
      const Draw draw{.seed = options.seed,
                      .stream = Stream::likelihood,
                      .step = call * static_cast<std::uint32_t>(options.probes) +
                              static_cast<std::uint32_t>(which)};
      normals.push_back(random_normal(draw, samples.subspan(r, 1), shape));
    }
    const Tensor normal = at::cat(normals).to(x0.device(), at::kDouble);
    return options.probe == Probe::gaussian ? normal
                                            : at::where(normal.lt(0), -1.0, 1.0).to(at::kDouble);
  };
  const auto slope = [&](const Tensor& state, const std::vector<double>& times,
                         const std::vector<std::int64_t>& rows) {
    std::vector<std::int64_t> sizes{static_cast<std::int64_t>(rows.size())};
    sizes.insert(sizes.end(), shape.begin(), shape.end());
    const at::AutoGradMode with_graph(true);
    const Tensor x = state.narrow(1, 0, dimensions).reshape(sizes).detach().requires_grad_(true);
    const Tensor velocity = field.velocity(x, times, rows);
    Tensor trace;
    for (int which = 0; which < options.probes; ++which) {
      const Tensor direction = probe(rows, which);
      const Tensor product = torch::autograd::grad({(velocity * direction).sum()}, {x}, {},
                                                   which + 1 < options.probes)[0];
      const Tensor part = (product * direction).flatten(1).sum(1, true);
      trace = trace.defined() ? trace + part : part;
    }
    for (const std::int64_t row : rows) {
      ++asked[static_cast<std::size_t>(row)];
    }
    return at::cat({velocity.detach().flatten(1), trace.detach() / options.probes}, 1);
  };
  const auto error = [&](const Tensor& e, const Tensor& a, const Tensor& b, double atol,
                         double rtol) {
    const auto part = [&](std::int64_t first, std::int64_t count) {
      std::vector<double> found =
          Rows<Tensor>::error(e.narrow(1, first, count), a.narrow(1, first, count),
                              b.narrow(1, first, count), atol, rtol);
      if (options.control == StepControl::torchdiffeq) {
        const double mean =
            std::accumulate(found.begin(), found.end(), 0.0) / static_cast<double>(found.size());
        std::fill(found.begin(), found.end(), mean);
      }
      return found;
    };
    std::vector<double> larger = part(0, dimensions);
    const std::vector<double> of_trace = part(dimensions, 1);
    for (std::size_t i = 0; i < larger.size(); ++i) {
      larger[i] = std::max(larger[i], of_trace[i]);
    }
    return larger;
  };

  const at::NoGradGuard no_grad;
  const TimeRange range = time_range(field.parametrisation());
  const Tensor start = at::cat(
      {x0.to(at::kDouble).flatten(1), at::zeros({x0.size(0), 1}, x0.options().dtype(at::kDouble))},
      1);
  Dopri5Integrator<Tensor> integrator(
      {.rtol = options.rtol, .atol = options.atol, .control = options.control});
  const Tensor end = integrator.integrate(start, range.data, range.noise, slope, error);
  LogLikelihood result;
  result.noise = end.narrow(1, 0, dimensions).reshape(x0.sizes());
  const double normal = 0.5 * static_cast<double>(dimensions) * std::log(2 * std::numbers::pi);
  result.nats = end.select(1, dimensions) - result.noise.square().flatten(1).sum(1) * 0.5 - normal;
  result.bits_per_dimension = result.nats / (-std::numbers::ln2 * static_cast<double>(dimensions)) +
                              std::log2(options.grey_levels);
  result.calls = integrator.report().calls;
  return result;
}

/// The same under a network: x0 [n, C, H, W] in its model space, labels [n] int64 (its number of
/// classes: none), without guidance. The network's gradients are zero afterwards. InputError for a
/// network with a class token, and as above.
[[nodiscard]] inline LogLikelihood log_likelihood(DiffusionTransformer& network,
                                                  const Parametrisation& parametrisation,
                                                  const Tensor& x0, const Tensor& labels,
                                                  std::span<const std::int64_t> samples,
                                                  const LikelihoodOptions& options) {
  if (network.shape().class_token_width > 0) {
    throw InputError("log-likelihood: expected a network of images alone, found one with a class "
                     "token");
  }
  const auto forward = [&](const Tensor& x, const Tensor& t, const Tensor& classes) {
    return network.forward(x, t, Conditioning{classes, {}});
  };
  NoGuide none;
  GuidedPrediction prediction(forward, none, {.labels = labels}, Guidance{});
  const auto field = make_field<Tensor>(parametrisation, std::ref(prediction));
  const LogLikelihood result = log_likelihood(field, x0, samples, options);
  network.parameters().zero_gradients();
  return result;
}

} // namespace d2c
