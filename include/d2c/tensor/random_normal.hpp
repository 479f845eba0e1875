#pragma once
/// Normal noise tensors from counter-based sequences, one sequence per sample.

#include <cstdint>
#include <span>
#include <vector>

#include <d2c/core/rng.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Standard normals [samples.size(), shape...], float32 on the CPU. Row i is the sequence `base`
/// with its sample replaced by samples[i], so a sample's noise does not depend on its batch or on
/// the thread count.
inline Tensor random_normal(Draw base, std::span<const std::int64_t> samples,
                            at::IntArrayRef shape) {
  std::vector<std::int64_t> extents{static_cast<std::int64_t>(samples.size())};
  extents.insert(extents.end(), shape.begin(), shape.end());
  auto noise = at::empty(extents, at::kFloat);
  const std::int64_t row = samples.empty() ? 0 : noise.numel() / extents.front();
  auto* out = noise.mutable_data_ptr<float>();
  parallel_ranges(extents.front(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      auto draw = base;
      draw.sample = static_cast<std::uint32_t>(samples[static_cast<std::size_t>(i)]);
      fill_normal(draw, out + i * row, row);
    }
  });
  return noise;
}

} // namespace d2c
