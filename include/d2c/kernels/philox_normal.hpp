#pragma once
/// Normal noise on the GPU, from the same counters as fill_normal: parameters and the launcher's
/// declaration. Needs neither torch nor a CUDA header; the body is philox_normal.cuh.

#include <cstdint>

#include <d2c/core/rng.hpp>

struct CUstream_st; // cudaStream_t is a pointer to it

namespace d2c {

/// What the kernel fills and from which sequences. Both pointers are device memory.
struct PhiloxNormalParams {
  void* out = nullptr;                   ///< [rows, count] of Element, row-major
  const std::int64_t* samples = nullptr; ///< [rows] global sample indices, each below 2^32
  std::int64_t rows = 0;
  std::int64_t count = 0; ///< elements in a row, at most 2^34
  Draw base;              ///< its `sample` is replaced by samples[row]
};

/// True for the element types whose instance is part of this build of d2c::kernels.
template <class Element>
inline constexpr bool has_philox_normal = false;

/// The instance of one element type, defined in d2c::kernels. Call launch_philox_normal.
template <class Element>
void run_philox_normal(const PhiloxNormalParams& params, CUstream_st* stream);

/// Fills params.out with standard normals on `stream` without waiting for it. Row i is the sequence
/// that fill_normal(draw with sample samples[i]) gives: the same integers, and the same Box-Muller
/// to the accuracy of the device's logarithm and cosine (1e-6 absolute). Throws Failure where the
/// launch is refused. Include d2c/kernels/variants.hpp first: it names the instances there are.
template <class Element = float>
void launch_philox_normal(const PhiloxNormalParams& params, CUstream_st* stream) {
  static_assert(has_philox_normal<Element>,
                "[d2c.kernel.variant] this build holds no philox_normal kernel for this element "
                "type. Fix: include <d2c/kernels/variants.hpp>, or add the instance with "
                "d2c_add_kernel(philox_normal TYPE).");
  run_philox_normal<Element>(params, stream);
}

} // namespace d2c
