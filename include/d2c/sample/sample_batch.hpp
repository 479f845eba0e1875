#pragma once
/// One batch of generated latents: a sampling method, guidance and counter-based noise around a
/// denoising network. Knows nothing of files.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/diffusion/ddpm_schedule.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>
#include <d2c/diffusion/sampling_policy.hpp>
#include <d2c/sample/guided_prediction.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/tensor_rows.hpp>
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
  std::int64_t class_token_width = 0;   ///< `shape` is then a JointState's (sample/joint_state.hpp)
  std::int64_t channel_size = 1;        ///< and this too
};

/// Latents [n, C, H, W] in float32 on the device. `network(x, t, labels)` takes float32 [m, C, H,
/// W], float32 [m] and int64 [m] and returns an object with tensors `prediction` and `variance`
/// (may be undefined); one that also takes the labels of texts, int64 [m], can be guided by each
/// condition alone. Where guidance acts, the rows without conditions follow the others in the same
/// call, or `guide` is asked (autoguidance). Solver arithmetic is float64. Noise comes from (seed,
/// sample, step) alone, so a sample does not depend on its batch, save for
/// StepControl::torchdiffeq. InputError if the method or the guidance refuses its options, or the
/// method this network. With a class token, states are those of a JointState, for the network and
/// in the result. `calls`, if given, becomes how often the networks were asked about each
/// sample.
template <SamplingPolicy<Tensor> Method, class Network, class Guide = NoGuide>
[[nodiscard]] Tensor sample_batch(Network&& network, const SampleRequest& request,
                                  const SamplingOptions& options, const Guidance& guidance,
                                  Guide&& guide = {}, std::vector<std::int64_t>* calls = nullptr) {
  for (const std::string& refusal :
       {Method::refusal(options, request.parametrisation), guidance.refusal()}) {
    if (!refusal.empty()) {
      throw InputError("sampling: " + refusal);
    }
  }
  const at::NoGradGuard no_grad;
  const Tensor labels =
      at::tensor(at::IntArrayRef(request.labels.data(), request.labels.size()), at::kLong)
          .to(request.device);
  const double time_scale =
      is_discrete(request.parametrisation.path) ? DdpmSchedule::training_steps : 1;
  GuidedPrediction prediction(network, guide,
                              {.labels = labels,
                               .null_label = request.null_label,
                               .time_scale = time_scale,
                               .class_token_width = request.class_token_width,
                               .channel_size = request.channel_size},
                              guidance);
  const auto normal = [&](Stream stream, std::uint32_t step) {
    const Draw draw{.seed = request.seed, .stream = stream, .step = step, .sample = 0};
    return random_normal(draw, request.samples, request.shape, request.device).to(at::kDouble);
  };
  const auto noise = [&](std::uint32_t step) { return normal(Stream::sampler_noise, step); };
  const auto field = make_field<Tensor>(request.parametrisation, std::ref(prediction));
  const Tensor result =
      Method::sample(normal(Stream::sampler_start, 0), options, field, noise).to(at::kFloat);
  if (calls != nullptr) {
    *calls = prediction.calls();
  }
  return result;
}

} // namespace d2c
