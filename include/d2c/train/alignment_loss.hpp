#pragma once
/// The body of the policy REPAAlign: the alignment loss with a written-out gradient.

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/repa_align.hpp>

namespace d2c {

namespace detail {

/// Negative mean cosine with its gradient towards the first argument alone: the encoder is frozen.
class NegativeMeanCosine : public torch::autograd::Function<NegativeMeanCosine> {
public:
  static constexpr double epsilon = 1e-12;

  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& projected,
                        const Tensor& targets) {
    const auto dtype = projected.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const Tensor z = projected.to(dtype);
    const Tensor v = targets.to(dtype);
    const Tensor length = at::linalg_vector_norm(z, 2, at::IntArrayRef{-1}, true);
    const Tensor scale = length.clamp_min(epsilon).reciprocal();
    const Tensor direction =
        v / at::linalg_vector_norm(v, 2, at::IntArrayRef{-1}, true).clamp_min(epsilon);
    const Tensor cosine = (z * direction).sum(-1, true) * scale;
    context->save_for_backward({z, direction, scale, cosine, length});
    context->saved_data["dtype"] = static_cast<std::int64_t>(projected.scalar_type());
    return cosine.mean().neg();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& upstream) {
    const auto saved = context->get_saved_variables();
    const Tensor& z = saved[0];
    const Tensor& scale = saved[2];
    // d cos / dz = (v - cos z / |z|) / |z|; below epsilon the length is a constant.
    const Tensor shrink = (saved[3] * scale).masked_fill(saved[4] < epsilon, 0.0);
    const Tensor weight = scale * (upstream[0] / static_cast<double>(-saved[3].numel()));
    const Tensor gradient = (saved[1] - z * shrink) * weight;
    const auto dtype = static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
    return {gradient.to(dtype), Tensor()};
  }
};

} // namespace detail

/// Eq. 11 as REPA computes it (Yu et al. 2024): minus the mean over batch and tokens of the cosine
/// between `projected` [B, N, V] and the encoder's `targets` [B, N, V], a scalar in [-1, 1].
/// Lengths are at least 1e-12 and computed in float32 (float64 for float64 input) whatever the
/// dtype: in half precision they overflow. Targets get no gradient. Throws InputError on unequal
/// shapes.
template <class = Once>
Tensor alignment_loss(REPAAlign, const Tensor& projected, const Tensor& targets) {
  if (projected.sizes() != targets.sizes()) {
    const auto text = [](const Tensor& tensor) {
      std::string sizes;
      for (const auto extent : tensor.sizes()) {
        sizes += (sizes.empty() ? "[" : ", ") + std::to_string(extent);
      }
      return sizes + "]";
    };
    throw InputError("alignment: expected visual tokens of shape " + text(projected) +
                     " like the projector's output, found " + text(targets));
  }
  return detail::NegativeMeanCosine::apply(projected, targets);
}
D2C_COMPILED_ONCE(Tensor alignment_loss<>(REPAAlign, const Tensor&, const Tensor&))

} // namespace d2c
