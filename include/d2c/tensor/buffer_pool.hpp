#pragma once
/// Reuse of large CPU buffers between steps: fresh memory costs a page fault per 4 KiB, which at
/// small network sizes is as dear as the arithmetic.

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <d2c/tensor/large_memory.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Hands out float32 CPU tensors with unspecified contents. A buffer returns by itself when the
/// last tensor that uses it is gone; nothing is ever taken back by force.
class BufferPool {
public:
  /// A tensor of these sizes, from a free buffer of exactly that many elements if there is one.
  [[nodiscard]] Tensor take(at::IntArrayRef sizes) {
    std::int64_t count = 1;
    for (const auto size : sizes) {
      count *= size;
    }
    const std::lock_guard lock(mutex_);
    for (const auto& buffer : buffers_) {
      if (buffer.numel() == count && buffer.storage().use_count() == 1) {
        return fresh_view(buffer, sizes);
      }
    }
    forget_unused(count);
    buffers_.push_back(large_zeros(count, at::kFloat));
    return fresh_view(buffers_.back(), sizes);
  }

private:
  /// A tensor of its own over the buffer's memory, so that autograd sees no view.
  static Tensor fresh_view(const Tensor& buffer, at::IntArrayRef sizes) {
    auto tensor = at::empty({0}, at::kFloat);
    tensor.unsafeGetTensorImpl()->set_storage_keep_dtype(buffer.storage());
    tensor.unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
    return tensor;
  }

  /// Other batch sizes leave buffers that may never be asked for again: keep at most 256 MiB of
  /// them beside what is in use.
  void forget_unused(std::int64_t wanted) {
    constexpr std::int64_t limit = std::int64_t{64} << 20;
    std::int64_t idle = wanted;
    std::erase_if(buffers_, [&](const Tensor& buffer) {
      if (buffer.storage().use_count() > 1) {
        return false;
      }
      idle += buffer.numel();
      return idle > limit;
    });
  }

  std::mutex mutex_;
  std::vector<Tensor> buffers_;
};

} // namespace d2c
