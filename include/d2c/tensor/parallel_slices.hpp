#pragma once
/// Running a network on slices of a batch, one slice per thread at a time.

#include <algorithm>
#include <cstdint>
#include <utility>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Calls body(begin, end) for consecutive parts of [0, count), without gradients. On the CPU parts
/// have at most `slice` samples and run on ATen's threads side by side, where operators inside the
/// body stay on their thread: small networks spend their time in cache instead of in fork and join.
/// The parts do not depend on the number of threads. On a GPU there is one part. Exceptions of the
/// body reach the caller.
template <class Body>
void parallel_slices(std::int64_t count, std::int64_t slice, at::Device device, Body&& body) {
  const auto run = [&](std::int64_t begin, std::int64_t end) {
    const at::NoGradGuard no_grad;
    body(begin, end);
  };
  if (!device.is_cpu()) {
    if (count > 0) {
      run(0, count);
    }
    return;
  }
  const std::int64_t slices = (count + slice - 1) / slice;
  at::parallel_for(0, slices, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      run(i * slice, std::min(count, (i + 1) * slice));
    }
  });
}

} // namespace d2c
