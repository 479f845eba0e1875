#pragma once
/// Loops on LibTorch's own CPU threads, whatever flags the including program is compiled with.

#include <algorithm>
#include <cstdint>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Calls run(begin, end) for disjoint ranges that cover 0..count, each at least `grain` long (but
/// the last), on at most at::get_num_threads() threads. In a program compiled without OpenMP
/// at::parallel_for is a plain loop, and with another OpenMP than LibTorch's it starts a second set
/// of threads; an iterator over bytes instead splits its range inside LibTorch.
template <class Run>
void parallel_ranges(std::int64_t count, std::int64_t grain, const Run& run) {
  if (count <= 0) {
    return;
  }
  if (count <= grain || count == 1 || at::get_num_threads() == 1) {
    run(std::int64_t{0}, count);
    return;
  }
  auto bytes = at::empty({count}, at::kByte);
  auto iterator = at::TensorIterator::nullary_op(bytes);
  const auto* origin = static_cast<const char*>(bytes.const_data_ptr());
  iterator.for_each(
      [&](char** data, const std::int64_t* /*strides*/, std::int64_t size) {
        const std::int64_t begin = data[0] - origin;
        run(begin, begin + size);
      },
      grain);
}

} // namespace d2c
