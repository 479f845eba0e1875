#pragma once
/// One batch of generated latents: a sampling method, guidance and counter-based noise around a
/// denoising network. Knows nothing of files.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/diffusion/sampling_policy.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Which samples are asked for. `samples[i]` is the global index that keys the noise of row i.
struct SampleRequest {
  std::vector<std::int64_t> shape;       ///< channels, height, width of the latent
  std::span<const std::int64_t> samples; ///< [n], below 2^32
  std::span<const std::int64_t> labels;  ///< [n]
  std::int64_t null_label = 0;           ///< the label that stands for "no class": their number
  std::uint64_t seed = 0;
  at::Device device = at::kCPU;
  Parametrisation parametrisation = {}; ///< of the network
};

/// Latents [n, C, H, W] in float32 on the device. `network(x, t, labels)` takes float32 [m, C, H,
/// W], float32 [m] and int64 [m] and returns an object with tensors `prediction` and `variance`
/// (may be undefined); m is n, or 2 n where guidance acts (first the conditional, then the null
/// half). Solver arithmetic is float64. All channels are guided; the variance is the conditional
/// one. Noise comes from (seed, sample, step) alone, so a sample does not depend on its batch.
/// InputError if the method or the guidance refuses its options, or the method this network.
template <SamplingPolicy<Tensor> Method, class Network>
[[nodiscard]] Tensor sample_batch(Network&& network, const SampleRequest& request,
                                  const SamplingOptions& options, const Guidance& guidance) {
  for (const std::string& refusal :
       {Method::refusal(options, request.parametrisation), guidance.refusal()}) {
    if (!refusal.empty()) {
      throw InputError("sampling: " + refusal);
    }
  }
  const at::NoGradGuard no_grad;
  const auto n = static_cast<std::int64_t>(request.samples.size());
  const Tensor labels =
      at::tensor(at::IntArrayRef(request.labels.data(), request.labels.size()), at::kLong)
          .to(request.device);
  const Tensor both_labels = at::cat({labels, at::full_like(labels, request.null_label)});
  const bool integer_time = is_discrete(request.parametrisation.path);

  const auto normal = [&](Stream stream, std::uint32_t step) {
    const Draw draw{.seed = request.seed, .stream = stream, .step = step, .sample = 0};
    return random_normal(draw, request.samples, request.shape, request.device).to(at::kDouble);
  };
  const auto denoise = [&](const Tensor& x, double t) -> Denoised<Tensor> {
    const bool guided = guidance.acts_at(integer_time ? t / DdpmSchedule::training_steps : t);
    const Tensor input = x.to(at::kFloat);
    const Tensor time = at::full({guided ? 2 * n : n}, t, input.options());
    const auto out =
        guided ? network(at::cat({input, input}), time, both_labels) : network(input, time, labels);
    Denoised<Tensor> result{out.prediction.to(at::kDouble), std::nullopt};
    if (out.variance.defined()) {
      result.variance = out.variance.narrow(0, 0, n).to(at::kDouble);
    }
    if (guided) {
      const Tensor conditional = result.prediction.narrow(0, 0, n);
      const Tensor null = result.prediction.narrow(0, n, n);
      result.prediction = null + (conditional - null) * guidance.scale;
    }
    return result;
  };
  const auto noise = [&](std::uint32_t step) { return normal(Stream::sampler_noise, step); };
  const auto field = make_field<Tensor>(request.parametrisation, denoise);
  return Method::sample(normal(Stream::sampler_start, 0), options, field, noise).to(at::kFloat);
}

} // namespace d2c
