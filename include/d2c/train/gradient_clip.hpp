#pragma once
/// Global gradient norm over a flat buffer and the clipping factor that follows from it.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// L2 norm of the flat float32 buffer `gradients`, summed in double. On the CPU the sum runs over
/// fixed pieces in a fixed order, so the result does not depend on the thread count. NaN and
/// infinity come through.
inline double gradient_norm(const Tensor& gradients) {
  if (!gradients.is_cpu()) {
    return std::sqrt(gradients.to(at::kDouble).square().sum().item<double>());
  }
  if (gradients.scalar_type() != at::kFloat || !gradients.is_contiguous()) {
    throw Failure("the flat gradient must be contiguous float32");
  }
  constexpr std::int64_t piece = 1 << 14;
  const std::int64_t count = gradients.numel();
  const std::int64_t pieces = (count + piece - 1) / piece;
  const float* data = gradients.const_data_ptr<float>();
  std::vector<double> sums(static_cast<std::size_t>(pieces));
  parallel_ranges(pieces, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t p = first; p < last; ++p) {
      // Independent lanes let the compiler vectorise without reordering the sum it was given.
      double lane[8] = {};
      const std::int64_t end = std::min(count, (p + 1) * piece);
      std::int64_t i = p * piece;
      for (; i + 8 <= end; i += 8) {
        for (std::int64_t j = 0; j < 8; ++j) {
          const double value = data[i + j];
          lane[j] += value * value;
        }
      }
      double sum =
          ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
      for (; i < end; ++i) {
        sum += static_cast<double>(data[i]) * data[i];
      }
      sums[static_cast<std::size_t>(p)] = sum;
    }
  });
  double total = 0;
  for (const double sum : sums) {
    total += sum;
  }
  return std::sqrt(total);
}

/// Factor for every gradient so that their global norm is at most `largest`; 1 if `largest` is 0.
/// The 1e-6 in the denominator is that of torch.nn.utils.clip_grad_norm_.
inline double clip_factor(double norm, double largest) {
  return largest > 0 ? std::min(1.0, largest / (norm + 1e-6)) : 1.0;
}

} // namespace d2c
