#pragma once
/// From time, class and text to the modulation of every block: DiT's embedders, the dual
/// conditional embedding of D2C, and all adaLN layers as one matrix product.

#include <optional>
#include <tuple>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/ops/layer_norm_modulate.hpp>
#include <d2c/ops/linear.hpp>
#include <d2c/ops/timestep_features.hpp>

namespace d2c {

/// The text branch of DC-Embedding (D2C, Eq. 9): one vector per class from its prompt's tokens.
struct TextEmbedding {
  Linear convolution; ///< [D, W * L]: kernel and stride span all tokens
  Linear first;
  Linear second;
  Tensor table; ///< [classes + 1, W * L], masked tokens, transposed; last row zero (no text)
};

/// Parameters of all embedders and of all adaLN layers.
struct ConditionEmbedding {
  Linear time_first;
  Linear time_second;
  Tensor class_table; ///< [classes + 1, D], or undefined
  Tensor class_table_gradient;
  std::optional<TextEmbedding> text;
  Linear modulation; ///< [6 D depth + 2 D, D]
};

/// What the backward of the condition needs.
struct ConditionSaved {
  Tensor time_features, time_hidden; ///< [B, 256], [B, D]
  Tensor text_rows;                  ///< [R, W * L], the prompts that were embedded
  Tensor text_inverse;               ///< [B], row of each sample in text_rows
  Tensor text_vector, text_normal, text_rstd, text_hidden; ///< [R, D], [R, D], [R, 1], [R, D]
  Tensor condition;                                        ///< [B, D]
};

/// condition = time + class + text, then Linear(SiLU(condition)) for all layers at once:
/// [B, 6 D depth + 2 D]. t [B]; labels and text_labels [B] int64, where `classes` means none.
inline Tensor condition_forward(const ConditionEmbedding& layer, const Tensor& t,
                                const Tensor& labels, const Tensor& text_labels,
                                ConditionSaved& saved) {
  saved.time_features = timestep_features(t).to(layer.modulation.weight.scalar_type());
  saved.time_hidden = linear(layer.time_first, saved.time_features);
  auto condition = linear(layer.time_second, at::silu(saved.time_hidden));
  if (layer.class_table.defined()) {
    condition.add_(layer.class_table.index_select(0, labels));
  }
  if (layer.text) {
    const auto& text = *layer.text;
    // With fewer prompts than samples it is cheaper to embed the table than the batch.
    const bool whole_table = text.table.size(0) <= labels.size(0);
    saved.text_rows = whole_table ? text.table : text.table.index_select(0, text_labels);
    saved.text_inverse = whole_table ? text_labels : at::arange(labels.size(0), labels.options());
    saved.text_vector = linear(text.convolution, saved.text_rows);
    auto [normal, mean, rstd] =
        at::native_layer_norm(saved.text_vector, {saved.text_vector.size(1)}, std::nullopt,
                              std::nullopt, layer_norm_epsilon);
    saved.text_normal = normal;
    saved.text_rstd = rstd;
    saved.text_hidden = linear(text.first, normal);
    const auto embedded = linear(text.second, at::silu(saved.text_hidden)).add_(saved.text_vector);
    condition.add_(embedded.index_select(0, saved.text_inverse));
  }
  saved.condition = condition;
  return linear(layer.modulation, at::silu(condition));
}

/// What each class adds to the condition by its embedding and its prompt, "none" last:
/// [classes + 1, D].
inline Tensor class_vectors(const ConditionEmbedding& layer) {
  const at::NoGradGuard no_grad;
  Tensor sum;
  if (layer.text) {
    const auto& text = *layer.text;
    const auto vector = linear(text.convolution, text.table);
    const auto normal = std::get<0>(at::native_layer_norm(vector, {vector.size(1)}, std::nullopt,
                                                          std::nullopt, layer_norm_epsilon));
    sum = linear(text.second, at::silu(linear(text.first, normal))).add_(vector);
  }
  if (layer.class_table.defined()) {
    sum = sum.defined() ? sum.add_(layer.class_table) : layer.class_table.clone();
  }
  return sum;
}

/// Adds the gradients of every parameter of the condition. dmodulation [B, 6 D depth + 2 D].
inline void condition_backward(const ConditionEmbedding& layer, const Tensor& dmodulation,
                               const Tensor& labels, const ConditionSaved& saved) {
  linear_backward_parameters(layer.modulation, at::silu(saved.condition), dmodulation);
  const auto dcondition =
      at::silu_backward(linear_backward_input(layer.modulation, dmodulation), saved.condition);

  linear_backward_parameters(layer.time_second, at::silu(saved.time_hidden), dcondition);
  const auto dhidden =
      at::silu_backward(linear_backward_input(layer.time_second, dcondition), saved.time_hidden);
  linear_backward_parameters(layer.time_first, saved.time_features, dhidden);

  if (layer.class_table.defined()) {
    layer.class_table_gradient.index_add_(0, labels, dcondition);
  }
  if (layer.text) {
    const auto& text = *layer.text;
    const auto dembedded =
        at::zeros_like(saved.text_vector).index_add_(0, saved.text_inverse, dcondition);
    linear_backward_parameters(text.second, at::silu(saved.text_hidden), dembedded);
    const auto dtext_hidden =
        at::silu_backward(linear_backward_input(text.second, dembedded), saved.text_hidden);
    linear_backward_parameters(text.first, saved.text_normal, dtext_hidden);
    const auto dnormal = linear_backward_input(text.first, dtext_hidden);
    const auto projection = (dnormal * saved.text_normal).mean(-1, true);
    const auto dvector =
        (dnormal - dnormal.mean(-1, true) - saved.text_normal * projection) * saved.text_rstd +
        dembedded;
    linear_backward_parameters(text.convolution, saved.text_rows, dvector);
  }
}

/// The condition in the autograd graph.
struct ConditionFunction : torch::autograd::Function<ConditionFunction> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& t,
                        const Tensor& labels, const Tensor& text_labels, const Tensor& /*anchor*/,
                        const ConditionEmbedding* layer) {
    ConditionSaved saved;
    auto modulation = condition_forward(*layer, t, labels, text_labels, saved);
    context->save_for_backward({labels, saved.time_features, saved.time_hidden, saved.text_rows,
                                saved.text_inverse, saved.text_vector, saved.text_normal,
                                saved.text_rstd, saved.text_hidden, saved.condition});
    context->saved_data["layer"] = reinterpret_cast<std::int64_t>(layer);
    return modulation;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto* layer =
        reinterpret_cast<const ConditionEmbedding*>(context->saved_data["layer"].toInt());
    const auto s = context->get_saved_variables();
    condition_backward(*layer, gradients[0], s[0],
                       {s[1], s[2], s[3], s[4], s[5], s[6], s[7], s[8], s[9]});
    return {Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

/// The modulation of all layers. The gradient stops here: times carry none.
template <class = Once>
Tensor apply_condition(const ConditionEmbedding& layer, const Tensor& t, const Tensor& labels,
                       const Tensor& text_labels, const Tensor& anchor) {
  if (!at::GradMode::is_enabled()) {
    ConditionSaved unused;
    return condition_forward(layer, t, labels, text_labels, unused);
  }
  return ConditionFunction::apply(t, labels, text_labels, anchor, &layer);
}
D2C_COMPILED_ONCE(Tensor apply_condition<>(const ConditionEmbedding&, const Tensor&, const Tensor&,
                                           const Tensor&, const Tensor&))

} // namespace d2c
