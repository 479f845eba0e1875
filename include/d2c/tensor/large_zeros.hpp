#pragma once
/// Zeroed CPU memory for the buffers that training and networks live in.

#include <cstddef>
#include <cstdint>

#include <sys/mman.h>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Zeros [count] on the CPU. From 4 MiB on the memory is the system's own and exists only once it
/// is touched (gradients of a network that only scores never do), and huge pages are asked for:
/// passes over hundreds of MB otherwise wait for the translation of addresses. Throws c10::Error
/// when there is no memory, as at::zeros.
inline Tensor large_zeros(std::int64_t count, at::ScalarType dtype) {
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  const std::size_t bytes = static_cast<std::size_t>(count) * c10::elementSize(dtype);
  if (bytes < 2 * huge_page) {
    return at::zeros({count}, dtype);
  }
  const std::size_t mapped = bytes + huge_page;
  void* const memory =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    return at::zeros({count}, dtype); // says what is missing in the library's words
  }
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  const auto aligned = (address + huge_page - 1) / huge_page * huge_page;
#ifdef MADV_HUGEPAGE
  ::madvise(reinterpret_cast<void*>(aligned), bytes, MADV_HUGEPAGE); // a hint: may be refused
#endif
  return at::from_blob(
      reinterpret_cast<void*>(aligned), {count},
      [memory, mapped](void*) { ::munmap(memory, mapped); }, dtype);
}

} // namespace d2c
