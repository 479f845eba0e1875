#pragma once
/// Normal noise tensors from counter-based sequences, one sequence per sample.

#include <cstdint>
#include <span>
#include <vector>

#include <d2c/core/rng.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

#if D2C_HAS_KERNELS
#include <d2c/kernels/variants.hpp>
#endif

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

#if D2C_HAS_KERNELS
namespace detail {

/// The same sequences, made on the GPU by the kernel, on the device's current stream.
inline Tensor random_normal_on_gpu(const Draw& base, std::span<const std::int64_t> samples,
                                   at::IntArrayRef shape, at::Device device) {
  const c10::DeviceGuard guard(device);
  std::vector<std::int64_t> extents{static_cast<std::int64_t>(samples.size())};
  extents.insert(extents.end(), shape.begin(), shape.end());
  const Tensor noise = at::empty(extents, at::TensorOptions(device).dtype(at::kFloat));
  const Tensor indices =
      at::tensor(at::IntArrayRef(samples.data(), samples.size()), at::kLong).to(device);
  const c10::Stream stream = c10::impl::VirtualGuardImpl(at::kCUDA).getStream(noise.device());
  launch_philox_normal(
      PhiloxNormalParams{.out = noise.mutable_data_ptr(),
                         .samples = indices.const_data_ptr<std::int64_t>(),
                         .rows = extents.front(),
                         .count = samples.empty() ? 0 : noise.numel() / extents.front(),
                         .base = base},
      static_cast<CUstream_st*>(stream.native_handle()));
  return noise;
}

} // namespace detail
#endif

/// The same on `device`. On a GPU our kernel makes it where this build has one: the same integers,
/// and normals within 1e-6 of the CPU's. Without the kernel it is made on the CPU and copied.
inline Tensor random_normal(const Draw& base, std::span<const std::int64_t> samples,
                            at::IntArrayRef shape, at::Device device) {
#if D2C_HAS_KERNELS
  if (device.is_cuda()) {
    return detail::random_normal_on_gpu(base, samples, shape, device);
  }
#endif
  return random_normal(base, samples, shape).to(device);
}

} // namespace d2c
