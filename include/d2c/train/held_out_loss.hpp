#pragma once
/// The denoising loss on images that are not trained on, by the averaged weights.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <d2c/core/rng.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/class_token_diffusion.hpp>
#include <d2c/train/reg_align.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// A mean over images and its standard error.
struct HeldOutResult {
  double loss = 0;
  double standard_error = 0;
};

/// Measures networks on the same images at the same times with the same noise, so that results
/// compare: every image at the midpoints of eight equal parts of the objective's times, with noise
/// that depends on (seed, part, image) alone and no condition dropped.
template <class Objective, class Aligner, class Conditioner, class Network>
class HeldOutLoss {
public:
  static constexpr std::int64_t parts = 8;

  /// At most `batch` images are measured at once.
  HeldOutLoss(Network& network, const TrainingSet& set, std::uint64_t seed, std::int64_t batch)
      : network_{network},
        seed_{seed},
        batch_{std::min(batch, set.size())},
        saved_{at::empty_like(network.parameters().values())} {
    const at::Device device = saved_.device();
    set_.latents = set.latents.to(device, at::kFloat);
    set_.labels = set.labels.to(device, at::kLong);
    if constexpr (entangles<Aligner>()) {
      set_.class_tokens = set.class_tokens.to(device, at::kFloat);
    }
  }

  /// The mean loss with the weights `average` [count]; the network's own ones stay as they are.
  HeldOutResult measure(const Tensor& average) {
    const at::NoGradGuard no_grad;
    const Tensor& values = network_.parameters().values();
    saved_.copy_(values);
    values.copy_(average);
    const std::int64_t count = set_.size();
    double sum = 0;
    double squares = 0;
    for (std::int64_t first = 0; first < count; first += batch_) {
      const std::int64_t size = std::min(batch_, count - first);
      Tensor losses = at::zeros({size}, at::kDouble);
      for (std::int64_t part = 0; part < parts; ++part) {
        losses += losses_at(part, first, size).to(at::kCPU, at::kDouble);
      }
      losses /= static_cast<double>(parts);
      sum += losses.sum().item<double>();
      squares += losses.square().sum().item<double>();
    }
    values.copy_(saved_);
    const auto n = static_cast<double>(count);
    const double mean = sum / n;
    const double variance = count > 1 ? std::max(0.0, (squares - n * mean * mean) / (n - 1)) : 0;
    return {mean, std::sqrt(variance / n)};
  }

private:
  /// Loss of each of `size` images from `first` on at one of the times, [size].
  Tensor losses_at(std::int64_t part, std::int64_t first, std::int64_t size) {
    const Tensor x0 = set_.latents.narrow(0, first, size);
    const Tensor noise = noise_like(x0, 2 * part, first);
    const Tensor u = at::full(
        {size}, (static_cast<double>(part) + 0.5) / static_cast<double>(parts), x0.options());
    const Tensor t = Objective::template time<Tensor>(u);
    const Tensor x_t = Objective::template diffuse<Tensor>(x0, noise, t);
    Conditioning conditioning;
    conditioning.labels = set_.labels.narrow(0, first, size);
    const auto output = [&] {
      if constexpr (entangles<Aligner>()) {
        const Tensor clean = set_.class_tokens.narrow(0, first, size);
        const ClassTokenDiffusion<Objective> token(clean, noise_like(clean, 2 * part + 1, first),
                                                   t);
        return network_.forward(x_t, t, conditioning, false, token.noisy());
      } else {
        return network_.forward(x_t, t, conditioning);
      }
    }();
    return Objective::template loss<std::decay_t<decltype(output)>, Tensor>(output, x0, noise, x_t,
                                                                            t);
  }

  Tensor noise_like(const Tensor& clean, std::int64_t sequence, std::int64_t first) const {
    const std::int64_t elements = clean.numel() / clean.size(0);
    Tensor noise = at::empty(clean.sizes(), at::kFloat);
    float* out = noise.mutable_data_ptr<float>();
    parallel_ranges(clean.size(0), 1, [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t i = from; i < to; ++i) {
        fill_normal({seed_, Stream::held_out_noise, static_cast<std::uint32_t>(sequence),
                     static_cast<std::uint32_t>(first + i)},
                    out + i * elements, elements);
      }
    });
    return noise.to(clean.device());
  }

  Network& network_;
  std::uint64_t seed_;
  std::int64_t batch_;
  TrainingSet set_;
  Tensor saved_;
};

} // namespace d2c
