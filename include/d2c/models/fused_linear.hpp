#pragma once
/// Affine maps on the CPU in float32 by the kernels of ops/cpu/block_kernels.hpp: their matrices in
/// panels, and the gradients of their weights.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/ops/cpu/block_kernels.hpp>
#include <d2c/ops/linear.hpp>
#include <d2c/tensor/buffer_pool.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The matrices of some layers in panels, for one direction.
class PackedLinears {
public:
  PackedLinears(const cpu::BlockKernels& kernels, std::span<const Linear* const> layers,
                bool backward, BufferPool& pool) {
    struct Job {
      const Linear* layer;
      std::int64_t offset;
      std::int64_t first_panel;
    };

    std::vector<Job> jobs;
    std::int64_t floats = 0;
    std::int64_t panels = 0;
    for (const auto* layer : layers) {
      const auto out = layer->weight.size(0);
      const auto in = layer->weight.size(1);
      jobs.push_back({layer, floats, panels});
      floats += kernels.packed_size(out, in, backward);
      panels += kernels.packed_panels(out, in, backward);
    }
    memory_ = pool.take({floats});
    float* memory = memory_.mutable_data_ptr<float>();
    const auto grain =
        std::max<std::int64_t>(1, panels * 65536 / std::max<std::int64_t>(1, floats));
    parallel_ranges(panels, grain, [&](std::int64_t begin, std::int64_t end) {
      auto job = std::upper_bound(jobs.begin(), jobs.end(), begin,
                                  [](std::int64_t p, const Job& j) { return p < j.first_panel; }) -
                 jobs.begin() - 1;
      for (auto p = begin; p < end; ++p) {
        while (job + 1 < std::ssize(jobs) &&
               jobs[static_cast<std::size_t>(job + 1)].first_panel <= p) {
          ++job;
        }
        const auto& j = jobs[static_cast<std::size_t>(job)];
        kernels.pack_panel(j.layer->weight.size(0), j.layer->weight.size(1),
                           j.layer->weight.const_data_ptr<float>(), backward, p - j.first_panel,
                           memory + j.offset);
      }
    });
    for (const auto& job : jobs) {
      packed_.push_back(memory + job.offset);
    }
  }

  const float* operator[](std::size_t i) const { return packed_[i]; }

private:
  Tensor memory_;
  std::vector<const float*> packed_;
};

/// The gradients of one layer's weight and bias: x [rows, in], dy [rows, out].
struct WeightGradient {
  const Linear* layer;
  const float* x;
  const float* dy;
};

/// Adds the gradients of all `jobs` to the views of their layers. Every element is one sum over the
/// rows in their order, so the result does not depend on the number of threads.
template <class = Once>
void add_weight_gradients(const cpu::BlockKernels& kernels, std::int64_t rows,
                          std::span<const WeightGradient> jobs, BufferPool& pool) {
  struct Piece {
    const WeightGradient* job;
    std::int64_t first;
    std::int64_t last;
    std::int64_t group;
  };

  constexpr std::int64_t slice = 384;
  std::vector<Piece> pieces;
  for (const auto& job : jobs) {
    const auto out = job.layer->weight.size(0);
    const auto groups =
        (job.layer->weight.size(1) + kernels.gradient_columns - 1) / kernels.gradient_columns;
    for (std::int64_t group = 0; group < groups; ++group) {
      for (std::int64_t first = 0; first < out; first += slice) {
        pieces.push_back({&job, first, std::min(out, first + slice), group});
      }
    }
  }
  const auto count = static_cast<std::int64_t>(pieces.size());
  const auto slots = std::min<std::int64_t>(at::get_num_threads(), count);
  const auto floats = (kernels.weight_gradient_scratch() + 31) / 16 * 16;
  const Tensor scratch = pool.take({slots, floats});
  float* scratch_data = scratch.mutable_data_ptr<float>();
  parallel_ranges(slots, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto slot = begin; slot < end; ++slot) {
      for (auto i = count * slot / slots; i < count * (slot + 1) / slots; ++i) {
        const auto& piece = pieces[static_cast<std::size_t>(i)];
        const Linear& layer = *piece.job->layer;
        kernels.weight_gradient(rows, layer.weight.size(0), layer.weight.size(1), piece.job->dy,
                                piece.job->x, layer.weight_gradient.mutable_data_ptr<float>(),
                                layer.bias_gradient.mutable_data_ptr<float>(), piece.first,
                                piece.last, piece.group, scratch_data + slot * floats);
      }
    }
  });
}

D2C_COMPILED_ONCE(void add_weight_gradients<>(const cpu::BlockKernels&, std::int64_t,
                                              std::span<const WeightGradient>, BufferPool&))

} // namespace d2c
