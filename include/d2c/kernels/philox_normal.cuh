#pragma once
/// Body of philox_normal.hpp. Only generated .cu files include this header.

#include <algorithm>
#include <string>

#include <cuda_runtime.h>

#include <d2c/core/error.hpp>
#include <d2c/kernels/philox_normal.hpp>

namespace d2c {

/// One thread makes the four normals of one Philox block at a time; rows may end inside a block.
template <class Element>
__global__ void philox_normal_kernel(PhiloxNormalParams params) {
  const std::int64_t blocks_per_row = (params.count + 3) / 4;
  const std::int64_t blocks = params.rows * blocks_per_row;
  const std::int64_t stride = std::int64_t{gridDim.x} * blockDim.x;
  auto* out = static_cast<Element*>(params.out);
  for (std::int64_t i = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < blocks;
       i += stride) {
    const std::int64_t row = i / blocks_per_row;
    const std::int64_t block = i % blocks_per_row;
    Draw draw = params.base;
    draw.sample = static_cast<std::uint32_t>(params.samples[row]);
    const auto normals = standard_normals(draw.words(static_cast<std::uint32_t>(block)));
    const std::int64_t first = row * params.count + block * 4;
    const std::int64_t left = params.count - block * 4;
    for (int j = 0; j < 4 && j < left; ++j) {
      out[first + j] = static_cast<Element>(normals[j]);
    }
  }
}

template <class Element>
void run_philox_normal(const PhiloxNormalParams& params, CUstream_st* stream) {
  if (params.rows <= 0 || params.count <= 0) {
    return;
  }
  constexpr std::int64_t threads = 256;
  constexpr std::int64_t most_blocks = 132 * 16; // sixteen per multiprocessor of the largest H100
  const std::int64_t work = params.rows * ((params.count + 3) / 4);
  const auto grid = static_cast<unsigned>(std::min((work + threads - 1) / threads, most_blocks));
  philox_normal_kernel<Element><<<grid, threads, 0, stream>>>(params);
  if (const auto status = cudaGetLastError(); status != cudaSuccess) {
    throw Failure("philox_normal: the kernel was expected to start, the CUDA runtime answered " +
                  std::string(cudaGetErrorString(status)));
  }
}

} // namespace d2c

#define D2C_INSTANTIATE_PHILOX_NORMAL(Element)                                                     \
  template void d2c::run_philox_normal<Element>(const d2c::PhiloxNormalParams&, CUstream_st*);
