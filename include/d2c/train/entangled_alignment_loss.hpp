#pragma once
/// The alignment loss of the policy REGAlign: REPAAlign's over one more token.

#include <d2c/tensor/torch.hpp>
#include <d2c/train/alignment_loss.hpp>
#include <d2c/train/reg_align.hpp>
#include <d2c/train/repa_align.hpp>

namespace d2c {

/// REPAAlign's loss of `projected` [B, N + 1, V] towards the class tokens [B, V] and, after them,
/// the patch tokens [B, N, V] of the encoder: the class token weighs as much as any patch (REG, Wu
/// et al. 2025). Throws InputError on unequal shapes.
inline Tensor alignment_loss(REGAlign, const Tensor& projected, const Tensor& visual_tokens,
                             const Tensor& class_tokens) {
  return alignment_loss(REPAAlign{}, projected,
                        at::cat({class_tokens.unsqueeze(1), visual_tokens}, 1));
}

} // namespace d2c
