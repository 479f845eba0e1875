#pragma once
/// Self-attention over packed queries, keys and values, with its backward.

#include <cmath>
#include <utility>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Result and what its backward needs.
struct Attended {
  Tensor output;      ///< [B, N, D], heads side by side
  Tensor log_sum_exp; ///< [B, H, N], of the scaled logits
};

namespace attention_detail {

struct Heads {
  Tensor q, k, v; ///< [B, H, N, width / H]
};

inline Heads split(const Tensor& qkv, std::int64_t heads) {
  const auto parts = qkv.view({qkv.size(0), qkv.size(1), 3, heads, -1}).permute({2, 0, 3, 1, 4});
  return {parts[0], parts[1], parts[2]};
}

inline Tensor merge(const Tensor& per_head) {
  return per_head.transpose(1, 2).reshape({per_head.size(0), per_head.size(2), -1});
}

inline double scale_of(const Tensor& q) {
  return 1.0 / std::sqrt(static_cast<double>(q.size(-1)));
}

} // namespace attention_detail

/// softmax(q k^T / sqrt(head width)) v per head. `qkv` [B, N, 3 D] holds q, k and v one after
/// another, head-major inside (the layout of timm's Attention, which DiT uses).
inline Attended attention(const Tensor& qkv, std::int64_t heads) {
  const auto [q, k, v] = attention_detail::split(qkv, heads);
  const auto logits = at::matmul(q * attention_detail::scale_of(q), k.transpose(-2, -1));
  auto log_sum_exp = at::logsumexp(logits, -1);
  const auto weights = at::exp(logits - log_sum_exp.unsqueeze(-1));
  return {attention_detail::merge(at::matmul(weights, v)), std::move(log_sum_exp)};
}

/// Gradient of `qkv` [B, N, 3 D] for dy [B, N, D]. Recomputes the attention weights from the
/// logarithm of their sum (Dao et al. 2022): nothing of size N x N is kept between the passes.
inline Tensor attention_backward(const Tensor& dy, const Tensor& qkv, const Attended& attended,
                                 std::int64_t heads) {
  const auto [q, k, v] = attention_detail::split(qkv, heads);
  const double scale = attention_detail::scale_of(q);
  const auto split_heads = [&](const Tensor& merged) {
    return merged.view({merged.size(0), merged.size(1), heads, -1}).transpose(1, 2);
  };
  const auto dout = split_heads(dy);
  const auto logits = at::matmul(q * scale, k.transpose(-2, -1));
  const auto weights = at::exp(logits - attended.log_sum_exp.unsqueeze(-1));
  const auto dv = at::matmul(weights.transpose(-2, -1), dout);
  const auto dweights = at::matmul(dout, v.transpose(-2, -1));
  const auto row = (dout * split_heads(attended.output)).sum(-1, true);
  const auto dlogits = weights * (dweights - row) * scale;
  const auto dq = at::matmul(dlogits, k);
  const auto dk = at::matmul(dlogits.transpose(-2, -1), q);
  return at::stack({dq, dk, dv}, 0).permute({1, 3, 0, 2, 4}).reshape(qkv.sizes());
}

} // namespace d2c
