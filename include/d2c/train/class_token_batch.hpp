#pragma once
/// The class tokens of one training batch, noisy: what fit adds for an aligner that entangles.

#include <cstdint>
#include <span>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/class_token_diffusion.hpp>
#include <d2c/train/data_order.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// Throws InputError unless every image has a class token and the network takes it.
inline void require_class_tokens(const TrainingSet& set, const NetworkShape& shape) {
  const Tensor& tokens = set.class_tokens;
  if (!tokens.defined() || tokens.dim() != 2 || tokens.size(0) != set.size()) {
    throw InputError("training set: expected a class token for each of " +
                     std::to_string(set.size()) + " images, found " +
                     std::to_string(tokens.defined() ? tokens.size(0) : 0));
  }
  if (tokens.size(1) != shape.class_token_width) {
    throw InputError("training set: expected class tokens of width " +
                     std::to_string(shape.class_token_width) + " as the network's, found " +
                     std::to_string(tokens.size(1)));
  }
}

/// The class tokens `all` [n, V] of the visited images `rows` [B] at their times t [B], with noise
/// that depends on the visit alone, independent of the image's.
template <class Objective>
ClassTokenDiffusion<Objective> class_token_batch(const Tensor& all, std::uint64_t seed,
                                                 std::span<const Visit> visits, const Tensor& rows,
                                                 const Tensor& t) {
  const std::int64_t width = all.size(1);
  const auto batch = static_cast<std::int64_t>(visits.size());
  Tensor noise = at::empty({batch, width}, at::kFloat);
  float* out = noise.mutable_data_ptr<float>();
  parallel_ranges(batch, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const Visit& visit = visits[static_cast<std::size_t>(i)];
      fill_normal(
          {seed, Stream::class_token_noise, visit.epoch, static_cast<std::uint32_t>(visit.image)},
          out + i * width, width);
    }
  });
  return {all.index_select(0, rows), noise.to(all.device()), t};
}

} // namespace d2c
