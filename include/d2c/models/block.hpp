#pragma once
/// One adaLN-Zero transformer block as one autograd function with a written-out backward.

#include <cstdint>
#include <utility>

#include <d2c/core/compiled_once.hpp>
#include <d2c/models/block_parameters.hpp>
#include <d2c/models/fused_block.hpp>
#include <d2c/ops/attention.hpp>
#include <d2c/ops/gate_residual.hpp>
#include <d2c/ops/gelu.hpp>
#include <d2c/ops/layer_norm_modulate.hpp>
#include <d2c/ops/linear.hpp>

namespace d2c {

/// Peebles & Xie 2023, adaLN-Zero: x + gate Attention(modulate(LN(x))), then the same around the
/// MLP. x [B, N, D]; modulation [B, 6 D] in the order shift, scale, gate of attention, then of the
/// MLP. Fills `saved` if it is not null.
inline Tensor block_forward(const Block& block, const Tensor& x, const Tensor& modulation,
                            BlockSaved* saved) {
  const auto m = modulation.chunk(6, 1);
  const auto rows = [](const Tensor& t) { return t.reshape({-1, t.size(-1)}); };
  const auto like = [&x](const Tensor& t) { return t.view({x.size(0), x.size(1), -1}); };

  auto first = layer_norm_modulate(x, m[0], m[1]);
  auto qkv = like(linear(block.qkv, rows(first.output)));
  auto attended = attention(qkv, block.heads);
  auto attention_branch = like(linear(block.projection, rows(attended.output)));
  const auto middle = gate_residual(x, m[2], attention_branch);
  auto second = layer_norm_modulate(middle, m[3], m[4]);
  auto hidden = like(linear(block.expand, rows(second.output)));
  auto mlp_branch = like(linear(block.contract, rows(gelu_tanh(hidden))));
  auto output = gate_residual(middle, m[5], mlp_branch);
  if (saved != nullptr) {
    *saved = {first.mean,  first.rstd,  qkv,    std::move(attended), attention_branch,
              second.mean, second.rstd, hidden, mlp_branch};
  }
  return output;
}

/// Gradients of the input [B, N, D] and of the modulation [B, 6 D]; those of the block's parameters
/// are added to their gradient views.
inline std::pair<Tensor, Tensor> block_backward(const Block& block, const Tensor& dy,
                                                const Tensor& x, const Tensor& modulation,
                                                const BlockSaved& saved) {
  const auto m = modulation.chunk(6, 1);
  const auto rows = [](const Tensor& t) { return t.reshape({-1, t.size(-1)}); };
  const auto like = [&x](const Tensor& t) { return t.view({x.size(0), x.size(1), -1}); };

  const auto middle = gate_residual(x, m[2], saved.attention_branch);
  const auto mlp = gate_residual_backward(dy, m[5], saved.mlp_branch);
  const auto dcontract = rows(mlp.branch);
  linear_backward_parameters(block.contract, rows(gelu_tanh(saved.hidden)), dcontract);
  const auto dhidden = rows(
      gelu_tanh_backward(like(linear_backward_input(block.contract, dcontract)), saved.hidden));
  const auto normal2 = (middle - saved.mean2) * saved.rstd2;
  const auto input2 = at::addcmul(m[3].unsqueeze(1), normal2, m[4].unsqueeze(1) + 1);
  linear_backward_parameters(block.expand, rows(input2), dhidden);
  const auto second = layer_norm_modulate_backward(
      like(linear_backward_input(block.expand, dhidden)), middle, saved.mean2, saved.rstd2, m[4]);
  const auto dmiddle = dy + second.x;

  const auto attended = gate_residual_backward(dmiddle, m[2], saved.attention_branch);
  const auto dprojection = rows(attended.branch);
  linear_backward_parameters(block.projection, rows(saved.attended.output), dprojection);
  const auto dqkv =
      rows(attention_backward(like(linear_backward_input(block.projection, dprojection)), saved.qkv,
                              saved.attended, block.heads));
  const auto normal1 = (x - saved.mean1) * saved.rstd1;
  const auto input1 = at::addcmul(m[0].unsqueeze(1), normal1, m[1].unsqueeze(1) + 1);
  linear_backward_parameters(block.qkv, rows(input1), dqkv);
  const auto first = layer_norm_modulate_backward(like(linear_backward_input(block.qkv, dqkv)), x,
                                                  saved.mean1, saved.rstd1, m[1]);
  return {
      dmiddle + first.x,
      at::cat({first.shift, first.scale, attended.gate, second.shift, second.scale, mlp.gate}, 1)};
}

/// The block in the autograd graph. Parameter gradients go straight to their views, so backward
/// returns gradients for x and modulation only.
struct BlockFunction : torch::autograd::Function<BlockFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& modulation, const Block* block) {
    const auto input = x.contiguous();
    BlockSaved saved;
    auto y = block->path == BlockPath::fused ? fused_block_forward(*block, input, modulation, saved)
                                             : block_forward(*block, input, modulation, &saved);
    context->save_for_backward({input, modulation, saved.mean1, saved.rstd1, saved.qkv,
                                saved.attended.output, saved.attended.log_sum_exp,
                                saved.attention_branch, saved.mean2, saved.rstd2, saved.hidden,
                                saved.mlp_branch});
    context->saved_data["block"] = reinterpret_cast<std::int64_t>(block);
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto* block = reinterpret_cast<const Block*>(context->saved_data["block"].toInt());
    const auto s = context->get_saved_variables();
    const BlockSaved saved{s[2], s[3], s[4], {s[5], s[6]}, s[7], s[8], s[9], s[10], s[11]};
    const auto dy = gradients[0].contiguous();
    auto [dx, dmodulation] = block->path == BlockPath::fused
                                 ? fused_block_backward(*block, dy, s[0], s[1], saved)
                                 : block_backward(*block, dy, s[0], s[1], saved);
    return {dx, dmodulation, Tensor()};
  }
};

/// One block, recorded for backward only when gradients are on. The block must outlive the graph.
template <class = Once>
Tensor apply_block(const Block& block, const Tensor& x, const Tensor& modulation) {
  if (at::GradMode::is_enabled()) {
    return BlockFunction::apply(x, modulation, &block);
  }
  return block.path == BlockPath::fused
             ? fused_blocks_inference({&block, 1}, x.contiguous(), {&modulation, 1})
             : block_forward(block, x, modulation, nullptr);
}
D2C_COMPILED_ONCE(Tensor apply_block<>(const Block&, const Tensor&, const Tensor&))

} // namespace d2c
