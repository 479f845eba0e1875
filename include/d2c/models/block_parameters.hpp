#pragma once
/// The parameters of one transformer block and what its backward keeps. The computation is in
/// models/block.hpp (any device) and models/fused_block.hpp (CPU, float32).

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <d2c/ops/attention.hpp>
#include <d2c/ops/linear.hpp>
#include <d2c/tensor/buffer_pool.hpp>
#include <d2c/tensor/parameter_table.hpp>

namespace d2c {

/// How blocks are computed. `operators`: one tensor operator after another, on any device and type.
/// `fused`: float32 on the CPU, a few images at a time through the whole block.
/// `automatic`: fused where it exists.
enum class BlockPath { automatic, operators, fused };

/// The parameters of one block, its number of heads and its path (never `automatic`).
struct Block {
  Linear qkv;
  Linear projection;
  Linear expand;
  Linear contract;
  std::int64_t heads = 0;
  BlockPath path = BlockPath::operators;
  std::shared_ptr<BufferPool> pool; ///< of the fused path
};

/// Binds blocks.`index` of a table.
inline Block bind_block(const ParameterTable& table, int index, std::int64_t heads, BlockPath path,
                        std::shared_ptr<BufferPool> pool) {
  const auto name = "blocks." + std::to_string(index);
  return {bind_linear(table, name + ".attn.qkv"),
          bind_linear(table, name + ".attn.proj"),
          bind_linear(table, name + ".mlp.fc1"),
          bind_linear(table, name + ".mlp.fc2"),
          heads,
          path,
          std::move(pool)};
}

/// What a block's backward needs beside its input and modulation.
struct BlockSaved {
  Tensor mean1, rstd1; ///< [B, N, 1], first layer norm
  Tensor qkv;          ///< [B, N, 3 D]
  Attended attended;
  Tensor attention_branch; ///< [B, N, D], before its gate
  Tensor mean2, rstd2;     ///< [B, N, 1], second layer norm
  Tensor hidden;           ///< [B, N, 4 D], before the activation
  Tensor mlp_branch;       ///< [B, N, D], before its gate
};

} // namespace d2c
