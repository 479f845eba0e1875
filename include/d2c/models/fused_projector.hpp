#pragma once
/// The projector on the CPU in float32: some rows at a time through all three layers.

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include <d2c/models/fused_linear.hpp>
#include <d2c/ops/cpu/block_kernels.hpp>
#include <d2c/ops/linear.hpp>
#include <d2c/tensor/buffer_pool.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

namespace fused_projector_detail {

/// Calls run(slot, first row, number of rows) for passes of rows, slots in parallel.
template <class Run>
void for_each_pass(std::int64_t rows, std::int64_t hidden, const Run& run) {
  const std::int64_t pass = hidden > 1024 ? 128 : 64;
  const std::int64_t passes = (rows + pass - 1) / pass;
  const auto slots = std::min<std::int64_t>(at::get_num_threads(), passes);
  parallel_ranges(slots, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto slot = begin; slot < end; ++slot) {
      for (auto i = passes * slot / slots; i < passes * (slot + 1) / slots; ++i) {
        run(i * pass, std::min(pass, rows - i * pass));
      }
    }
  });
}

} // namespace fused_projector_detail

/// x [rows, D] through three layers with SiLU between them: [rows, V]. Leaves the hidden rows
/// before their activation, [rows, H] each.
inline Tensor fused_projector_forward(const std::array<const Linear*, 3>& layers, const Tensor& x,
                                      Tensor& hidden1, Tensor& hidden2, BufferPool& pool,
                                      const cpu::BlockKernels& kernels = *cpu::block_kernels()) {
  const auto rows = x.size(0);
  const auto in = x.size(1);
  const auto hidden = layers[0]->weight.size(0);
  const auto out = layers[2]->weight.size(0);
  const PackedLinears packed(kernels, layers, false, pool);
  hidden1 = pool.take({rows, hidden});
  hidden2 = pool.take({rows, hidden});
  const auto activated = pool.take({rows, hidden});
  auto y = pool.take({rows, out});
  const float* x_data = x.const_data_ptr<float>();
  float* h1 = hidden1.mutable_data_ptr<float>();
  float* h2 = hidden2.mutable_data_ptr<float>();
  float* a = activated.mutable_data_ptr<float>();
  float* y_data = y.mutable_data_ptr<float>();
  const auto bias = [&](std::size_t i) { return layers[i]->bias.const_data_ptr<float>(); };
  fused_projector_detail::for_each_pass(rows, hidden, [&](std::int64_t row, std::int64_t n) {
    const auto at = row * hidden;
    kernels.affine(n, in, hidden, x_data + row * in, packed[0], bias(0), h1 + at);
    kernels.silu_forward(n * hidden, h1 + at, a + at);
    kernels.affine(n, hidden, hidden, a + at, packed[1], bias(1), h2 + at);
    kernels.silu_forward(n * hidden, h2 + at, a + at);
    kernels.affine(n, hidden, out, a + at, packed[2], bias(2), y_data + row * out);
  });
  return y;
}

/// The gradient of x from dy [rows, V]; those of the layers are added to their views.
inline Tensor fused_projector_backward(const std::array<const Linear*, 3>& layers, const Tensor& dy,
                                       const Tensor& x, const Tensor& hidden1,
                                       const Tensor& hidden2, BufferPool& pool,
                                       const cpu::BlockKernels& kernels = *cpu::block_kernels()) {
  const auto rows = x.size(0);
  const auto in = x.size(1);
  const auto hidden = hidden1.size(1);
  const auto out = dy.size(1);
  const PackedLinears packed(kernels, layers, true, pool);
  const auto buffers = pool.take({4, rows, hidden});
  auto dx = pool.take({rows, in});
  const float* dy_data = dy.const_data_ptr<float>();
  const float* h1 = hidden1.const_data_ptr<float>();
  const float* h2 = hidden2.const_data_ptr<float>();
  float* d1 = buffers.mutable_data_ptr<float>();
  float* a1 = d1 + rows * hidden;
  float* d2 = a1 + rows * hidden;
  float* a2 = d2 + rows * hidden;
  float* dx_data = dx.mutable_data_ptr<float>();
  fused_projector_detail::for_each_pass(rows, hidden, [&](std::int64_t row, std::int64_t n) {
    const auto at = row * hidden;
    kernels.affine_backward(n, hidden, out, dy_data + row * out, packed[2], d2 + at);
    kernels.silu_backward(n * hidden, h2 + at, a2 + at, d2 + at);
    kernels.affine_backward(n, hidden, hidden, d2 + at, packed[1], d1 + at);
    kernels.silu_backward(n * hidden, h1 + at, a1 + at, d1 + at);
    kernels.affine_backward(n, in, hidden, d1 + at, packed[0], dx_data + row * in);
  });
  const std::array<WeightGradient, 3> jobs{
      WeightGradient{layers[2], a2, dy_data}, WeightGradient{layers[1], a1, d2},
      WeightGradient{layers[0], x.const_data_ptr<float>(), d1}};
  add_weight_gradients(kernels, rows, jobs, pool);
  return dx;
}

} // namespace d2c
