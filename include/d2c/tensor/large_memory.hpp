#pragma once
/// CPU memory for weights and the buffers that training and networks live in.

#include <cstddef>
#include <cstdint>
#include <optional>

#include <sys/mman.h>

#include <d2c/tensor/torch.hpp>

namespace d2c {

namespace large_memory_detail {

/// Zeros of these sizes from 4 MiB on: memory of the system's own that exists only once it is
/// touched, in huge pages where the system grants them. Nothing if smaller, or without memory.
inline std::optional<Tensor> mapped_zeros(at::IntArrayRef sizes, at::ScalarType dtype) {
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  const std::size_t bytes =
      static_cast<std::size_t>(c10::multiply_integers(sizes)) * c10::elementSize(dtype);
  if (bytes < 2 * huge_page) {
    return std::nullopt;
  }
  const std::size_t mapped = bytes + huge_page;
  void* const memory =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return std::nullopt;
  }
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const auto aligned = (address + huge_page - 1) / huge_page * huge_page;
#ifdef MADV_HUGEPAGE
  // A hint: may be refused. Not for the last part of a page, which would cost a whole one.
  ::madvise(reinterpret_cast<void*>(aligned), bytes / huge_page * huge_page, MADV_HUGEPAGE);
#endif
  return at::from_blob(
      reinterpret_cast<void*>(aligned), sizes,
      [memory, mapped](void*) { ::munmap(memory, mapped); }, dtype);
}

} // namespace large_memory_detail

/// Zeros [count] on the CPU. From 4 MiB on they exist only once they are touched (gradients of a
/// network that only scores never do), in huge pages: passes over hundreds of MB otherwise wait for
/// the translation of addresses. Throws c10::Error when there is no memory, as at::zeros.
inline Tensor large_zeros(std::int64_t count, at::ScalarType dtype) {
  auto mapped = large_memory_detail::mapped_zeros({count}, dtype);
  return mapped ? *std::move(mapped) : at::zeros({count}, dtype);
}

/// A contiguous CPU tensor of unspecified contents, to be written at once: making huge pages takes
/// half the time of making small ones. Throws c10::Error when there is no memory, as at::empty.
inline Tensor large_empty(at::IntArrayRef sizes, at::ScalarType dtype) {
  auto mapped = large_memory_detail::mapped_zeros(sizes, dtype);
  return mapped ? *std::move(mapped) : at::empty(sizes, dtype);
}

} // namespace d2c
