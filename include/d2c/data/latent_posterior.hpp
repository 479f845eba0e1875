#pragma once
/// What the encoder of a KL autoencoder says about an image: a normal distribution of latents.

#include <cstdint>
#include <span>

#include <d2c/core/rng.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Independent normals for each element of the latents [n, C, h, w], unscaled.
struct LatentPosterior {
  Tensor mean;
  Tensor logvar; ///< in [-30, 20]

  /// From the encoder's output [n, 2 C, h, w]: means, then logarithms of the variances, which are
  /// clamped as diffusers' DiagonalGaussianDistribution does.
  static LatentPosterior from_output(const Tensor& output) {
    const auto halves = output.chunk(2, 1);
    return {halves[0].contiguous(), halves[1].clamp(-30.0, 20.0)};
  }

  [[nodiscard]] Tensor deviation() const { return at::exp(0.5 * logvar); }

  /// One latent per image. Row i takes its noise from the sequence `draw` of sample samples[i], so
  /// it depends on neither batch nor threads; Stream::posterior is the stream meant for it.
  [[nodiscard]] Tensor sample(const Draw& draw, std::span<const std::int64_t> samples) const {
    return mean + deviation() * random_normal(draw, samples, mean.sizes().slice(1), mean.device());
  }
};

} // namespace d2c
