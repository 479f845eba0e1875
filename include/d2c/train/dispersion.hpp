#pragma once
/// The body of the policy DispersiveLoss: its loss with a written-out gradient, and its place.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/dispersive_loss.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

namespace detail {

/// log of the mean over all pairs (i, j), i = j included, of exp(-|z_i - z_j|^2 / scale).
class LogMeanAffinity : public torch::autograd::Function<LogMeanAffinity> {
public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& hidden,
                        double scale) {
    const auto dtype = hidden.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const Tensor rows = hidden.flatten(1).to(dtype);
    // Distances do not change when the mean is taken off; what cancels in them becomes less.
    const Tensor z = rows - rows.mean(0, true);
    const Tensor squares = z.square().sum(1, true);
    Tensor distances = at::addmm(squares + squares.t(), z, z.t(), 1, -2).clamp_min_(0);
    distances.fill_diagonal_(0);
    const Tensor exponents = distances.div_(-scale).flatten();
    const Tensor total = at::logsumexp(exponents, at::IntArrayRef{0});
    context->save_for_backward({z, (exponents - total).exp_().view({z.size(0), z.size(0)})});
    context->saved_data["scale"] = scale;
    context->saved_data["sizes"] = hidden.sizes().vec();
    context->saved_data["dtype"] = static_cast<std::int64_t>(hidden.scalar_type());
    return total - std::log(static_cast<double>(exponents.numel()));
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& upstream) {
    const auto saved = context->get_saved_variables();
    const Tensor& z = saved[0];
    const Tensor& share = saved[1]; // of each pair in the mean, [B, B], symmetric
    // d/dz_i = -4 / scale * sum_j share_ij (z_i - z_j).
    const Tensor pull = z * share.sum(1, true) - at::mm(share, z);
    const Tensor gradient = pull * (upstream[0] * (-4.0 / context->saved_data["scale"].toDouble()));
    const auto dtype = static_cast<at::ScalarType>(context->saved_data["dtype"].toInt());
    return {gradient.view(context->saved_data["sizes"].toIntVector()).to(dtype), Tensor()};
  }
};

} // namespace detail

/// log of the mean over all pairs of images, each with itself included, of exp(-|h_i - h_j|^2 / (n
/// temperature)), for the n values that `hidden` [B, ...] has per image (Wang & He 2025, Eq. 6 with
/// squared distances, averaged over n as in the authors' code). A scalar, at most 0. Computed in
/// float32 (float64 for float64 input). Throws InputError for a batch of one image: there is
/// nothing to disperse.
template <class = Once>
Tensor dispersive_loss(const Tensor& hidden, double temperature) {
  if (hidden.size(0) < 2) {
    throw InputError("DispersiveLoss: expected at least two images per piece of a batch "
                     "(train.batch / train.accumulate), found " +
                     std::to_string(hidden.size(0)));
  }
  const auto values = static_cast<double>(hidden.numel() / hidden.size(0));
  return detail::LogMeanAffinity::apply(hidden, temperature * values);
}
D2C_COMPILED_ONCE(Tensor dispersive_loss<>(const Tensor&, double))

/// The block behind which `Aligner` disperses: align_depth, or a quarter of the network's depth as
/// the paper does.
inline int disperse_depth(const TransformerSize& size, const TrainConfig& config) {
  return config.align_depth > 0 ? static_cast<int>(config.align_depth)
                                : std::max(1, size.depth / 4);
}

} // namespace d2c
