#pragma once
/// Blocks on the CPU in float32: hands the images of a batch to the fused kernels of
/// ops/cpu/block_kernels.hpp, one thread per contiguous range of images.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/models/block_parameters.hpp>
#include <d2c/models/fused_linear.hpp>
#include <d2c/ops/cpu/block_kernels.hpp>
#include <d2c/tensor/buffer_pool.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

namespace fused_block_detail {

inline const float* data(const Tensor& tensor) {
  return tensor.const_data_ptr<float>();
}

inline float* mutable_data(const Tensor& tensor) {
  return tensor.mutable_data_ptr<float>();
}

/// How a batch is cut: `chunk` images go through the kernels together, `slots` threads take
/// contiguous ranges of chunks.
struct ImageChunks {
  std::int64_t images;
  std::int64_t chunk;
  std::int64_t slots;

  /// Where the block's matrices outgrow the second-level cache, more rows share one reading of
  /// them.
  ImageChunks(std::int64_t batch, std::int64_t tokens, std::int64_t width)
      : images(batch),
        chunk(std::clamp<std::int64_t>((width > 512 ? 128 : 64) / tokens, 1, batch)),
        slots(std::min<std::int64_t>(at::get_num_threads(), (batch + chunk - 1) / chunk)) {}

  /// Calls run(slot, first image, number of images) for every chunk, slots in parallel.
  template <class Run>
  void for_each_chunk(const Run& run) const {
    const std::int64_t chunks = (images + chunk - 1) / chunk;
    parallel_ranges(slots, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t slot = begin; slot < end; ++slot) {
        for (auto i = chunks * slot / slots; i < chunks * (slot + 1) / slots; ++i) {
          run(slot, i * chunk, std::min(chunk, images - i * chunk));
        }
      }
    });
  }
};

inline cpu::BlockSizes sizes_of(const Block& block, std::int64_t tokens) {
  return {tokens, block.qkv.weight.size(1), block.heads, block.expand.weight.size(0)};
}

inline std::array<const Linear*, 4> linears_of(const Block& block) {
  return {&block.qkv, &block.projection, &block.expand, &block.contract};
}

/// The matrices of all blocks in panels, for one direction.
class PackedBlocks {
public:
  PackedBlocks(const cpu::BlockKernels& kernels, std::span<const Block> blocks, bool backward,
               BufferPool& pool)
      : packed_(kernels, layers_of(blocks), backward, pool) {}

  cpu::BlockPacked operator[](std::size_t i) const {
    return {packed_[4 * i], packed_[4 * i + 1], packed_[4 * i + 2], packed_[4 * i + 3]};
  }

private:
  static std::vector<const Linear*> layers_of(std::span<const Block> blocks) {
    std::vector<const Linear*> layers;
    for (const auto& block : blocks) {
      for (const auto* layer : linears_of(block)) {
        layers.push_back(layer);
      }
    }
    return layers;
  }

  PackedLinears packed_;
};

inline cpu::BlockBiases biases_of(const Block& block) {
  return {data(block.qkv.bias), data(block.projection.bias), data(block.expand.bias),
          data(block.contract.bias)};
}

/// The activations of images from `image` on.
inline cpu::BlockActivations activations_from(const BlockSaved& saved, const cpu::BlockSizes& sizes,
                                              std::int64_t image) {
  const auto row = image * sizes.tokens;
  return {mutable_data(saved.mean1) + row,
          mutable_data(saved.rstd1) + row,
          mutable_data(saved.qkv) + row * 3 * sizes.width,
          mutable_data(saved.attended.output) + row * sizes.width,
          mutable_data(saved.attended.log_sum_exp) + row * sizes.heads,
          mutable_data(saved.attention_branch) + row * sizes.width,
          mutable_data(saved.mean2) + row,
          mutable_data(saved.rstd2) + row,
          mutable_data(saved.hidden) + row * sizes.hidden,
          mutable_data(saved.mlp_branch) + row * sizes.width,
          true};
}

/// Floats per slot, so that slots do not share cache lines.
inline std::int64_t padded(std::int64_t floats) {
  return (floats + 31) / 16 * 16;
}

} // namespace fused_block_detail

/// Whether the fused kernels serve this device, type and processor.
inline bool fused_blocks_available(at::Device device, at::ScalarType dtype) {
  return device.is_cpu() && dtype == at::kFloat && cpu::block_kernels() != nullptr;
}

/// One block with everything kept for backward; shapes as in block_forward. `kernels` defaults to
/// the widest this processor runs; the caller has checked that there are some.
inline Tensor fused_block_forward(const Block& block, const Tensor& x, const Tensor& modulation,
                                  BlockSaved& saved,
                                  const cpu::BlockKernels& kernels = *cpu::block_kernels()) {
  using namespace fused_block_detail;
  const auto batch = x.size(0);
  const auto tokens = x.size(1);
  const auto sizes = sizes_of(block, tokens);
  const ImageChunks split(batch, tokens, sizes.width);
  auto& pool = *block.pool;
  const PackedBlocks packed(kernels, {&block, 1}, false, pool);
  saved = {pool.take({batch, tokens, 1}),
           pool.take({batch, tokens, 1}),
           pool.take({batch, tokens, 3 * sizes.width}),
           {pool.take({batch, tokens, sizes.width}), pool.take({batch, sizes.heads, tokens})},
           pool.take({batch, tokens, sizes.width}),
           pool.take({batch, tokens, 1}),
           pool.take({batch, tokens, 1}),
           pool.take({batch, tokens, sizes.hidden}),
           pool.take({batch, tokens, sizes.width})};
  auto out = pool.take({batch, tokens, sizes.width});
  const auto scratch_size = padded(kernels.forward_scratch(sizes, split.chunk));
  const auto scratch = pool.take({split.slots, scratch_size});
  const auto biases = biases_of(block);
  const float* x_data = data(x);
  float* out_data = mutable_data(out);
  float* scratch_data = mutable_data(scratch);
  const float* modulation_data = data(modulation);
  const auto modulation_stride = modulation.stride(0);
  split.for_each_chunk([&](std::int64_t slot, std::int64_t image, std::int64_t count) {
    const auto offset = image * tokens * sizes.width;
    kernels.forward(sizes, packed[0], biases, count, x_data + offset,
                    modulation_data + image * modulation_stride, modulation_stride,
                    activations_from(saved, sizes, image), out_data + offset,
                    scratch_data + slot * scratch_size);
  });
  return out;
}

/// All `blocks` without keeping anything: every thread takes its images through as many blocks as
/// have their packed matrices in the last-level cache together. modulations[i] is [B, 6 D].
template <class = Once>
Tensor fused_blocks_inference(std::span<const Block> blocks, const Tensor& x,
                              std::span<const Tensor> modulations,
                              const cpu::BlockKernels& kernels = *cpu::block_kernels()) {
  using namespace fused_block_detail;
  const auto batch = x.size(0);
  const auto tokens = x.size(1);
  const auto sizes = sizes_of(blocks.front(), tokens);
  const ImageChunks split(batch, tokens, sizes.width);
  auto& pool = *blocks.front().pool;
  auto out = pool.take({batch, tokens, sizes.width});

  const auto rows = split.chunk * tokens;
  const auto floats = padded(rows * (4 + 6 * sizes.width + sizes.hidden + sizes.heads) +
                             kernels.forward_scratch(sizes, split.chunk));
  const auto scratch = pool.take({split.slots, floats});
  float* scratch_data = mutable_data(scratch);
  float* out_data = mutable_data(out);
  constexpr std::int64_t cached_floats = std::int64_t{2} << 20;
  const auto group = static_cast<std::size_t>(std::max<std::int64_t>(
      1, cached_floats / (sizes.width * (4 * sizes.width + 2 * sizes.hidden))));

  for (std::size_t first = 0; first < blocks.size(); first += group) {
    const auto part = blocks.subspan(first, std::min(group, blocks.size() - first));
    const PackedBlocks packed(kernels, part, false, pool);
    const float* x_data = first == 0 ? data(x) : out_data;
    split.for_each_chunk([&](std::int64_t slot, std::int64_t image, std::int64_t count) {
      const auto n = count * tokens;
      float* at = scratch_data + slot * floats;
      const auto take = [&at](std::int64_t size) { return std::exchange(at, at + size); };
      cpu::BlockActivations activations{};
      activations.mean1 = take(n);
      activations.rstd1 = take(n);
      activations.mean2 = take(n);
      activations.rstd2 = take(n);
      activations.qkv = take(n * 3 * sizes.width);
      activations.attended = take(n * sizes.width);
      activations.log_sum_exp = take(n * sizes.heads);
      activations.attention_branch = take(n * sizes.width);
      activations.mlp_branch = take(n * sizes.width);
      activations.hidden = take(n * sizes.hidden);
      activations.kept = false;
      const auto offset = image * tokens * sizes.width;
      for (std::size_t i = 0; i < part.size(); ++i) {
        const auto& modulation = modulations[first + i];
        const auto stride = modulation.stride(0);
        kernels.forward(sizes, packed[i], biases_of(part[i]), count,
                        i == 0 ? x_data + offset : out_data + offset,
                        data(modulation) + image * stride, stride, activations, out_data + offset,
                        at);
      }
    });
  }
  return out;
}
D2C_COMPILED_ONCE(Tensor fused_blocks_inference<>(std::span<const Block>, const Tensor&,
                                                  std::span<const Tensor>,
                                                  const cpu::BlockKernels&))

/// Backward of fused_block_forward; results as block_backward. In narrow blocks each thread sums
/// the parameter gradients of its images, and the sums are added in the order of the images, so
/// results repeat exactly for a given number of threads; in wide ones see add_weight_gradients.
inline std::pair<Tensor, Tensor>
fused_block_backward(const Block& block, const Tensor& dy, const Tensor& x,
                     const Tensor& modulation, const BlockSaved& saved,
                     const cpu::BlockKernels& kernels = *cpu::block_kernels()) {
  using namespace fused_block_detail;
  const auto batch = x.size(0);
  const auto tokens = x.size(1);
  const auto sizes = sizes_of(block, tokens);
  const ImageChunks split(batch, tokens, sizes.width);
  auto& pool = *block.pool;
  const PackedBlocks packed(kernels, {&block, 1}, true, pool);
  auto dx = pool.take({batch, tokens, sizes.width});
  auto dmodulation = pool.take({batch, 6 * sizes.width});

  // Small gradients stay in the cache while the images go by; large ones wait for one product over
  // the rows of all images.
  constexpr std::int64_t cached_floats = std::int64_t{1} << 18;
  const bool later = sizes.width * (4 * sizes.width + 2 * sizes.hidden) > cached_floats;
  const auto rows = batch * tokens;
  const auto operands =
      pool.take({later ? rows * (7 * sizes.width + 2 * sizes.hidden) : std::int64_t{0}});
  cpu::BlockOperands all;
  if (later) {
    float* at = mutable_data(operands);
    const auto take = [&](std::int64_t columns) { return std::exchange(at, at + rows * columns); };
    all = {take(sizes.width), take(sizes.width),  take(sizes.hidden), take(3 * sizes.width),
           take(sizes.width), take(sizes.hidden), take(sizes.width)};
  }
  const auto operands_from = [&](std::int64_t image) {
    const auto row = image * tokens;
    return !later ? cpu::BlockOperands{}
                  : cpu::BlockOperands{
                        all.normal1 + row * sizes.width,    all.normal2 + row * sizes.width,
                        all.activated + row * sizes.hidden, all.dqkv + row * 3 * sizes.width,
                        all.dattention + row * sizes.width, all.dhidden + row * sizes.hidden,
                        all.dmlp + row * sizes.width};
  };

  // The first thread adds to the gradients themselves, the others to copies of the same layout.
  std::int64_t gradient_floats = 0;
  std::array<std::int64_t, 8> offsets{};
  std::array<Tensor, 8> views;
  std::size_t next = 0;
  for (const auto* layer : linears_of(block)) {
    for (const auto& gradient : {layer->weight_gradient, layer->bias_gradient}) {
      offsets[next] = gradient_floats;
      views[next++] = gradient;
      gradient_floats += gradient.numel();
    }
  }
  const auto slot_floats = padded(gradient_floats);
  const auto copies = later ? std::int64_t{0} : split.slots - 1;
  const auto partial = pool.take({copies, slot_floats});
  float* partial_data = mutable_data(partial);
  const auto gradients_of = [&](std::int64_t slot) {
    std::array<float*, 8> p{};
    for (std::size_t i = 0; i < p.size(); ++i) {
      p[i] =
          slot == 0 ? mutable_data(views[i]) : partial_data + (slot - 1) * slot_floats + offsets[i];
    }
    return cpu::BlockGradients{p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]};
  };

  const auto scratch_size = padded(kernels.backward_scratch(sizes, split.chunk));
  const auto scratch = pool.take({split.slots, scratch_size});
  float* scratch_data = mutable_data(scratch);
  const float* x_data = data(x);
  const float* dy_data = data(dy);
  float* dx_data = mutable_data(dx);
  float* dmodulation_data = mutable_data(dmodulation);
  const float* modulation_data = data(modulation);
  const auto modulation_stride = modulation.stride(0);
  std::vector<char> started(static_cast<std::size_t>(split.slots), 0);
  split.for_each_chunk([&](std::int64_t slot, std::int64_t image, std::int64_t count) {
    auto& begun = started[static_cast<std::size_t>(slot)];
    if (!later && slot > 0 && begun == 0) {
      std::memset(partial_data + (slot - 1) * slot_floats, 0,
                  sizeof(float) * static_cast<std::size_t>(gradient_floats));
    }
    begun = 1;
    const auto offset = image * tokens * sizes.width;
    kernels.backward(sizes, packed[0], count, x_data + offset,
                     modulation_data + image * modulation_stride, modulation_stride,
                     activations_from(saved, sizes, image), dy_data + offset, dx_data + offset,
                     dmodulation_data + image * 6 * sizes.width,
                     later ? cpu::BlockGradients{} : gradients_of(slot), operands_from(image),
                     scratch_data + slot * scratch_size);
  });
  if (later) {
    const std::array<WeightGradient, 4> jobs{
        WeightGradient{&block.qkv, all.normal1, all.dqkv},
        WeightGradient{&block.projection, data(saved.attended.output), all.dattention},
        WeightGradient{&block.expand, all.normal2, all.dhidden},
        WeightGradient{&block.contract, all.activated, all.dmlp}};
    add_weight_gradients(kernels, rows, jobs, pool);
    return {std::move(dx), std::move(dmodulation)};
  }
  for (std::size_t i = 0; i < views.size(); ++i) {
    float* total = mutable_data(views[i]);
    const auto count = views[i].numel();
    parallel_ranges(count, 32768, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t slot = 1; slot < split.slots; ++slot) {
        const float* part = partial_data + (slot - 1) * slot_floats + offsets[i];
        for (auto j = begin; j < end; ++j) {
          total[j] += part[j];
        }
      }
    });
  }
  return {std::move(dx), std::move(dmodulation)};
}

} // namespace d2c
