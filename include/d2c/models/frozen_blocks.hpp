#pragma once
/// Pre-norm transformer blocks of frozen encoders on the CPU in float32, by the fused kernels of
/// ops/cpu/block_kernels.hpp.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/ops/cpu/block_kernels.hpp>
#include <d2c/ops/cpu/encoder_block.hpp>
#include <d2c/tensor/large_memory.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A weight [out, in] and its bias [out], which may be undefined.
struct FrozenLinear {
  Tensor weight;
  Tensor bias;
};

/// The weights of one block, float32 on the CPU. Biases, shifts and the gate may be undefined.
struct FrozenBlock {
  Tensor norm1; ///< [width]
  Tensor norm1_shift;
  FrozenLinear qkv;        ///< [3 inner, width]
  FrozenLinear projection; ///< [width, inner]
  Tensor norm2;
  Tensor norm2_shift;
  FrozenLinear first;  ///< [hidden, width]
  FrozenLinear gate;   ///< [hidden, width]
  FrozenLinear second; ///< [width, hidden]
};

/// A stack of blocks. Matrices are kept in the kernels' layout alone: a block that was added is
/// otherwise not needed any more.
class FrozenBlocks {
public:
  /// Whether the kernels serve this device and this processor.
  static bool available(at::Device device) {
    return device.is_cpu() && cpu::block_kernels() != nullptr;
  }

  explicit FrozenBlocks(const cpu::EncoderSizes& sizes,
                        const cpu::BlockKernels& kernels = *cpu::block_kernels())
      : sizes_{sizes}, kernels_{&kernels} {}

  void add(const FrozenBlock& block) {
    const auto vector = [&](const Tensor& value) -> const float* {
      if (!value.defined()) {
        return nullptr;
      }
      kept_.push_back(value.contiguous());
      return kept_.back().const_data_ptr<float>();
    };
    blocks_.push_back({vector(block.norm1), vector(block.norm1_shift), pack(block.qkv.weight),
                       vector(block.qkv.bias), pack(block.projection.weight),
                       vector(block.projection.bias), vector(block.norm2),
                       vector(block.norm2_shift), pack(block.first.weight),
                       vector(block.first.bias), pack(block.gate.weight), vector(block.gate.bias),
                       pack(block.second.weight), vector(block.second.bias)});
  }

  /// All blocks in place over x [n, tokens, width]. `bias` [heads, tokens, tokens] and `mask`
  /// [n, tokens], if they are defined, are added to the logits. All float32 and contiguous.
  void forward(Tensor& x, const Tensor& bias = {}, const Tensor& mask = {}) const;

private:
  const float* pack(const Tensor& weight) {
    if (!weight.defined()) {
      return nullptr;
    }
    const Tensor matrix = weight.contiguous();
    const std::int64_t out = matrix.size(0);
    const std::int64_t in = matrix.size(1);
    kept_.push_back(large_empty({kernels_->packed_size(out, in, false)}, at::kFloat));
    float* packed = kept_.back().mutable_data_ptr<float>();
    const float* values = matrix.const_data_ptr<float>();
    parallel_ranges(kernels_->packed_panels(out, in, false), 4,
                    [&](std::int64_t begin, std::int64_t end) {
                      for (auto panel = begin; panel < end; ++panel) {
                        kernels_->pack_panel(out, in, values, false, panel, packed);
                      }
                    });
    return packed;
  }

  cpu::EncoderSizes sizes_;
  const cpu::BlockKernels* kernels_;
  std::vector<cpu::EncoderWeights> blocks_;
  std::vector<Tensor> kept_;
};

template <class = Once>
void forward_frozen_blocks(const cpu::BlockKernels& kernels, const cpu::EncoderSizes& sizes,
                           std::span<const cpu::EncoderWeights> blocks, Tensor& x,
                           const cpu::EncoderBias& added) {
  const std::int64_t images = x.size(0);
  const std::int64_t tokens = x.size(1);
  const std::int64_t width = sizes.width;
  const std::int64_t inner = sizes.inner();
  const std::int64_t threads = at::get_num_threads();
  float* data = x.mutable_data_ptr<float>();
  const auto at_image = [&](std::int64_t image) {
    return cpu::EncoderBias{added.bias,
                            added.mask == nullptr ? nullptr : added.mask + image * tokens};
  };
  const auto padded = [](std::int64_t floats) { return (floats + 31) / 16 * 16; }; // cache lines
  const std::int64_t scratch_floats = padded(kernels.encoder_scratch(sizes, tokens));
  // As many images at a time as fill the rows of one pass through the matrices; few images are
  // cut into rows and heads instead, so that every thread has work.
  constexpr std::int64_t rows = 128;
  const bool few = images < threads;
  const std::int64_t chunk =
      few ? images : std::clamp<std::int64_t>(rows / tokens, 1, (images + threads - 1) / threads);
  const std::int64_t chunks = few ? threads : (images + chunk - 1) / chunk;
  const std::int64_t slots = std::min(threads, chunks);
  const std::int64_t kept_floats = padded(chunk * tokens * 4 * inner);
  const Tensor memory =
      at::empty({slots * scratch_floats + (few ? 1 : slots) * kept_floats}, at::kFloat);
  float* scratch = memory.mutable_data_ptr<float>();
  float* kept = scratch + slots * scratch_floats;
  for (const cpu::EncoderWeights& block : blocks) {
    if (few) {
      float* attended = kept + images * tokens * 3 * inner;
      const auto share = [&](std::int64_t count, const auto& run) {
        parallel_ranges(slots, 1, [&](std::int64_t begin, std::int64_t end) {
          for (auto slot = begin; slot < end; ++slot) {
            run(count * slot / slots, count * (slot + 1) / slots, scratch + slot * scratch_floats);
          }
        });
      };
      share(images * tokens, [&](std::int64_t first, std::int64_t last, float* mine) {
        kernels.encoder_begin(sizes, block, last - first, data + first * width,
                              kept + first * 3 * inner, mine);
      });
      share(images * sizes.heads, [&](std::int64_t first, std::int64_t last, float* mine) {
        for (auto i = first; i < last; ++i) {
          const std::int64_t image = i / sizes.heads;
          const std::int64_t head = i % sizes.heads;
          kernels.encoder_attend(sizes, tokens, head, head + 1, kept + image * tokens * 3 * inner,
                                 at_image(image), attended + image * tokens * inner, mine);
        }
      });
      share(images * tokens, [&](std::int64_t first, std::int64_t last, float* mine) {
        kernels.encoder_end(sizes, block, last - first, attended + first * inner,
                            data + first * width, mine);
      });
      continue;
    }
    parallel_ranges(slots, 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto slot = begin; slot < end; ++slot) {
        float* mine = scratch + slot * scratch_floats;
        float* qkv = kept + slot * kept_floats;
        float* attended = qkv + chunk * tokens * 3 * inner;
        for (auto i = chunks * slot / slots; i < chunks * (slot + 1) / slots; ++i) {
          const std::int64_t first = i * chunk;
          const std::int64_t count = std::min(chunk, images - first);
          float* some = data + first * tokens * width;
          kernels.encoder_begin(sizes, block, count * tokens, some, qkv, mine);
          for (std::int64_t j = 0; j < count; ++j) {
            kernels.encoder_attend(sizes, tokens, 0, sizes.heads, qkv + j * tokens * 3 * inner,
                                   at_image(first + j), attended + j * tokens * inner, mine);
          }
          kernels.encoder_end(sizes, block, count * tokens, attended, some, mine);
        }
      }
    });
  }
}
D2C_COMPILED_ONCE(void forward_frozen_blocks<>(const cpu::BlockKernels&, const cpu::EncoderSizes&,
                                               std::span<const cpu::EncoderWeights>, Tensor&,
                                               const cpu::EncoderBias&))

inline void FrozenBlocks::forward(Tensor& x, const Tensor& bias, const Tensor& mask) const {
  const auto data = [](const Tensor& values) {
    return values.defined() ? values.const_data_ptr<float>() : nullptr;
  };
  forward_frozen_blocks(*kernels_, sizes_, blocks_, x, {data(bias), data(mask)});
}

} // namespace d2c
