#pragma once
/// The transformer block on CPUs with AVX2 or AVX-512, float32, torch-free: a few images at a time
/// go through the whole block, so that activations stay in the caches. Kernels are compiled for
/// both instruction sets whatever the compiler's flags, and chosen when the program runs.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <d2c/core/compiled_once.hpp>
#include <d2c/ops/cpu/encoder_block.hpp>

namespace d2c::cpu {

/// Sizes of one block: `hidden` is the MLP's inner width.
struct BlockSizes {
  std::int64_t tokens;
  std::int64_t width;
  std::int64_t heads;
  std::int64_t hidden;
};

/// The four matrices in panels, for one direction (see pack_panel).
struct BlockPacked {
  const float* qkv;
  const float* projection;
  const float* expand;
  const float* contract;
};

/// The four biases.
struct BlockBiases {
  const float* qkv;
  const float* projection;
  const float* expand;
  const float* contract;
};

/// Gradients that backward adds to.
struct BlockGradients {
  float* qkv;
  float* qkv_bias;
  float* projection;
  float* projection_bias;
  float* expand;
  float* expand_bias;
  float* contract;
  float* contract_bias;
};

/// Both sides of the gradients of the weights, which backward leaves for one product over all rows
/// (weight_gradient). All null: backward adds the gradients itself, while the rows are in the
/// cache.
struct BlockOperands {
  float* normal1 = nullptr;    ///< [rows, width], input of qkv
  float* normal2 = nullptr;    ///< [rows, width], input of expand
  float* activated = nullptr;  ///< [rows, hidden], input of contract
  float* dqkv = nullptr;       ///< [rows, 3 width]
  float* dattention = nullptr; ///< [rows, width], gradient of the projection's output
  float* dhidden = nullptr;    ///< [rows, hidden]
  float* dmlp = nullptr;       ///< [rows, width], gradient of contract's output
};

/// What forward leaves for backward, for consecutive images; rows are tokens of all images.
struct BlockActivations {
  float* mean1;            ///< [rows]
  float* rstd1;            ///< [rows]
  float* qkv;              ///< [rows, 3 width]
  float* attended;         ///< [rows, width]
  float* log_sum_exp;      ///< [images, heads, tokens]
  float* attention_branch; ///< [rows, width]
  float* mean2;            ///< [rows]
  float* rstd2;            ///< [rows]
  float* hidden;           ///< [rows, hidden]
  float* mlp_branch;       ///< [rows, width]
  bool kept = true;        ///< false: the last three of [rows, ...] hold one pass of rows only
};

inline constexpr float layer_norm_epsilon_float = 1e-6f;

} // namespace d2c::cpu

#if defined(__x86_64__)

#define D2C_CPU_INLINE [[gnu::always_inline]] inline

// Functions between these pragmas are compiled for the named instruction set only; nothing outside
// may call them but through the table below.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx2,fma"))), apply_to = function)
#else
// GCC's AVX-512 header starts from undefined vectors on purpose and then warns about them.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC push_options
#pragma GCC target("avx512f,avx2,fma")
#endif
namespace d2c::cpu::avx512 {
#define D2C_CPU_LANES 16
// clang-format off
#include <d2c/ops/cpu/lanes.inl>
#include <d2c/ops/cpu/matrix.inl>
#include <d2c/ops/cpu/attention.inl>
#include <d2c/ops/cpu/block.inl>
#include <d2c/ops/cpu/encoder.inl>
// clang-format on
#undef D2C_CPU_LANES
} // namespace d2c::cpu::avx512
#if defined(__clang__)
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif
namespace d2c::cpu::avx2 {
#define D2C_CPU_LANES 8
// clang-format off
#include <d2c/ops/cpu/lanes.inl>
#include <d2c/ops/cpu/matrix.inl>
#include <d2c/ops/cpu/attention.inl>
#include <d2c/ops/cpu/block.inl>
#include <d2c/ops/cpu/encoder.inl>
// clang-format on
#undef D2C_CPU_LANES
} // namespace d2c::cpu::avx2
#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#pragma GCC diagnostic pop
#endif

#undef D2C_CPU_INLINE

#endif

namespace d2c::cpu {

/// The block's kernels for one instruction set.
struct BlockKernels {
  const char* name;
  std::int64_t (*forward_scratch)(const BlockSizes&, std::int64_t images);
  std::int64_t (*backward_scratch)(const BlockSizes&, std::int64_t images);
  std::int64_t (*packed_panels)(std::int64_t out, std::int64_t in, bool backward);
  std::int64_t (*packed_size)(std::int64_t out, std::int64_t in, bool backward);
  void (*pack_panel)(std::int64_t out, std::int64_t in, const float* matrix, bool backward,
                     std::int64_t index, float* packed);
  void (*forward)(const BlockSizes&, const BlockPacked&, const BlockBiases&, std::int64_t images,
                  const float* x, const float* modulation, std::int64_t modulation_stride,
                  const BlockActivations&, float* out, float* scratch);
  void (*backward)(const BlockSizes&, const BlockPacked&, std::int64_t images, const float* x,
                   const float* modulation, std::int64_t modulation_stride, const BlockActivations&,
                   const float* dout, float* dx, float* dmodulation, const BlockGradients&,
                   const BlockOperands&, float* scratch);
  void (*affine)(std::int64_t rows, std::int64_t in, std::int64_t out, const float* x,
                 const float* packed, const float* bias, float* y);
  void (*affine_backward)(std::int64_t rows, std::int64_t in, std::int64_t out, const float* dy,
                          const float* packed, float* dx);
  void (*silu_forward)(std::int64_t count, const float* x, float* y);
  void (*silu_backward)(std::int64_t count, const float* x, float* y, float* dy);
  std::int64_t gradient_columns; ///< of one group of weight_gradient
  std::int64_t (*weight_gradient_scratch)();
  void (*weight_gradient)(std::int64_t rows, std::int64_t out, std::int64_t in, const float* dy,
                          const float* x, float* dw, float* db, std::int64_t first,
                          std::int64_t last, std::int64_t group, float* scratch);
  std::int64_t (*encoder_scratch)(const EncoderSizes&, std::int64_t tokens);
  void (*encoder_begin)(const EncoderSizes&, const EncoderWeights&, std::int64_t rows, float* x,
                        float* qkv, float* scratch);
  void (*encoder_attend)(const EncoderSizes&, std::int64_t tokens, std::int64_t first,
                         std::int64_t last, const float* qkv, const EncoderBias&, float* output,
                         float* scratch);
  void (*encoder_end)(const EncoderSizes&, const EncoderWeights&, std::int64_t rows,
                      const float* attended, float* x, float* scratch);
};

/// Instruction sets that kernels exist for.
enum class InstructionSet { avx2, avx512 };

/// The kernels for `set`, or null where this CPU lacks it.
template <class = Once>
const BlockKernels* block_kernels(InstructionSet set) {
#if defined(__x86_64__)
  static constexpr BlockKernels wide{"avx512",
                                     avx512::forward_scratch,
                                     avx512::backward_scratch,
                                     avx512::packed_panels,
                                     avx512::packed_size,
                                     avx512::pack_panel,
                                     avx512::block_forward,
                                     avx512::block_backward,
                                     avx512::affine,
                                     avx512::affine_backward,
                                     avx512::silu_forward,
                                     avx512::silu_backward,
                                     avx512::gradient_columns,
                                     avx512::weight_gradient_scratch,
                                     avx512::weight_gradient,
                                     avx512::encoder_scratch,
                                     avx512::encoder_begin,
                                     avx512::encoder_attend,
                                     avx512::encoder_end};
  static constexpr BlockKernels narrow{"avx2",
                                       avx2::forward_scratch,
                                       avx2::backward_scratch,
                                       avx2::packed_panels,
                                       avx2::packed_size,
                                       avx2::pack_panel,
                                       avx2::block_forward,
                                       avx2::block_backward,
                                       avx2::affine,
                                       avx2::affine_backward,
                                       avx2::silu_forward,
                                       avx2::silu_backward,
                                       avx2::gradient_columns,
                                       avx2::weight_gradient_scratch,
                                       avx2::weight_gradient,
                                       avx2::encoder_scratch,
                                       avx2::encoder_begin,
                                       avx2::encoder_attend,
                                       avx2::encoder_end};
  if (set == InstructionSet::avx512) {
    return __builtin_cpu_supports("avx512f") != 0 ? &wide : nullptr;
  }
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 ? &narrow
                                                                                   : nullptr;
#else
  static_cast<void>(set);
  return nullptr;
#endif
}
D2C_COMPILED_ONCE(const BlockKernels* block_kernels<>(InstructionSet))

/// The widest kernels this CPU runs, or null.
inline const BlockKernels* block_kernels() {
  const auto* wide = block_kernels(InstructionSet::avx512);
  return wide != nullptr ? wide : block_kernels(InstructionSet::avx2);
}

} // namespace d2c::cpu
