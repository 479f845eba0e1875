#pragma once
/// A denoising network with guidance around it, for a batch whose rows may be at different times.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Stands for "no weaker network": the reference of guidance is the network without conditions.
struct NoGuide {};

/// What a batch is conditioned on.
struct GuidedBatch {
  Tensor labels;                      ///< [n] int64
  std::int64_t null_label = 0;        ///< the label that stands for "none"
  double time_scale = 1;              ///< network times per unit of the guidance interval
  std::int64_t class_token_width = 0; ///< last entries of a state that are its class token
  std::int64_t channel_size = 1;      ///< entries of a state's first dimension per channel
};

/// The prediction of `network(x, t, labels)` or `network(x, t, labels, text_labels)`, guided; with
/// another guide than NoGuide the reference is `guide`, called the same way with the same
/// conditions. Networks are asked in float32, the answer is float64; where guidance acts, the
/// unconditional rows follow the conditional ones in the same call. The variance is the conditional
/// one. Works inside and outside of autograd.
template <class Network, class Guide = NoGuide>
class GuidedPrediction {
public:
  /// Throws InputError for separate nulls around a network that takes no text, or around a guide.
  GuidedPrediction(Network& network, Guide& guide, GuidedBatch batch, const Guidance& guidance)
      : network_(network),
        guide_(guide),
        batch_(std::move(batch)),
        guidance_(guidance),
        calls_(static_cast<std::size_t>(batch_.labels.size(0)), 0) {
    for (std::int64_t row = 0; row < batch_.labels.size(0); ++row) {
      all_.push_back(row);
    }
    if (guidance_.null == GuidanceNull::joint) {
      return;
    }
    const std::string found = "\"" + std::string(option_name(guidance_.null)) + "\"";
    if (autoguided) {
      throw InputError("sampling: a guiding network stands in for the null condition, so the "
                       "guidance null must be \"joint\", found " +
                       found);
    }
    if (!takes_text) {
      throw InputError("sampling: the guidance null " + found +
                       " needs a network of class and text, found one of a single condition");
    }
  }

  /// The whole batch at one time.
  [[nodiscard]] Denoised<Tensor> operator()(const Tensor& x, double t) {
    return (*this)(x, std::vector<double>(all_.size(), t), all_);
  }

  /// The listed rows of the batch, each at its own time; x holds these rows.
  [[nodiscard]] Denoised<Tensor> operator()(const Tensor& x, const std::vector<double>& times,
                                            const std::vector<std::int64_t>& rows) {
    const std::int64_t channels = (x.size(1) - batch_.class_token_width) / batch_.channel_size;
    if (guidance_.channels > channels) {
      throw InputError("sampling: expected at most " + std::to_string(channels) +
                       " guided channels, found " + std::to_string(guidance_.channels));
    }
    std::vector<std::int64_t> guided;
    for (std::size_t i = 0; i < times.size(); ++i) {
      ++calls_[static_cast<std::size_t>(rows[i])];
      if (guidance_.acts_at(times[i] / batch_.time_scale)) {
        guided.push_back(static_cast<std::int64_t>(i));
        calls_[static_cast<std::size_t>(rows[i])] +=
            guidance_.null == GuidanceNull::independent ? 2 : 1;
      }
    }
    const auto n = static_cast<std::int64_t>(times.size());
    const auto m = static_cast<std::int64_t>(guided.size());
    const Tensor input = x.to(at::kFloat);
    const Tensor t = at::tensor(times, at::kDouble).to(input.options());
    const Tensor labels =
        n == batch_.labels.size(0)
            ? batch_.labels
            : batch_.labels.index_select(0, at::tensor(rows, at::kLong).to(x.device()));
    if (m == 0) {
      return answer(ask(network_, input, t, labels, labels), n);
    }
    const Tensor places = at::tensor(guided, at::kLong).to(x.device());
    const auto of = [&](const Tensor& all) { return m == n ? all : all.index_select(0, places); };
    const Tensor some_labels = of(labels);
    const Tensor none = at::full_like(some_labels, batch_.null_label);
    if constexpr (autoguided) {
      Denoised<Tensor> result = answer(ask(network_, input, t, labels, labels), n);
      const Tensor weak =
          ask(guide_, of(input), of(t), some_labels, some_labels).prediction.to(at::kDouble);
      const Tensor strong = of(result.prediction);
      return put(std::move(result), places, m == n, weak + (strong - weak) * guidance_.scale, weak);
    } else {
      std::vector<Tensor> inputs{input, of(input)};
      std::vector<Tensor> ts{t, of(t)};
      std::vector<Tensor> classes{labels, none};
      std::vector<Tensor> texts{labels, none};
      if (guidance_.null == GuidanceNull::class_only) {
        texts[1] = some_labels;
      } else if (guidance_.null == GuidanceNull::text_only) {
        classes[1] = some_labels;
      } else if (guidance_.null == GuidanceNull::independent) {
        inputs.push_back(inputs[1]);
        ts.push_back(ts[1]);
        classes.push_back(none);
        texts.push_back(some_labels);
      }
      const auto out =
          ask(network_, at::cat(inputs), at::cat(ts), at::cat(classes), at::cat(texts));
      Denoised<Tensor> result = answer(out, n);
      const Tensor all = out.prediction.to(at::kDouble);
      const Tensor conditional = of(result.prediction);
      const Tensor reference = all.narrow(0, n, m);
      if (guidance_.null == GuidanceNull::independent) {
        const Tensor text = all.narrow(0, n + m, m);
        return put(std::move(result), places, m == n,
                   reference + (text - reference) * guidance_.text_scale +
                       (conditional - text) * guidance_.scale,
                   reference);
      }
      return put(std::move(result), places, m == n,
                 reference + (conditional - reference) * guidance_.scale, reference);
    }
  }

  /// How often the networks were asked about each row, references included.
  [[nodiscard]] const std::vector<std::int64_t>& calls() const { return calls_; }

private:
  static constexpr bool takes_text =
      std::is_invocable_v<Network&, const Tensor&, const Tensor&, const Tensor&, const Tensor&>;
  static constexpr bool autoguided = !std::is_same_v<std::remove_const_t<Guide>, NoGuide>;

  template <class Asked>
  [[nodiscard]] static auto ask(Asked& network, const Tensor& x, const Tensor& t,
                                const Tensor& labels, const Tensor& text_labels) {
    if constexpr (std::is_invocable_v<Asked&, const Tensor&, const Tensor&, const Tensor&,
                                      const Tensor&>) {
      return network(x, t, labels, text_labels);
    } else {
      return network(x, t, labels);
    }
  }

  template <class Out>
  [[nodiscard]] static Denoised<Tensor> answer(const Out& out, std::int64_t n) {
    Denoised<Tensor> result{out.prediction.narrow(0, 0, n).to(at::kDouble), std::nullopt};
    if (out.variance.defined()) {
      result.variance = out.variance.narrow(0, 0, n).to(at::kDouble);
    }
    return result;
  }

  /// Replaces the guided rows, or their first channels. A class token is guided by its own scale,
  /// away from `reference`, or stays the conditional one.
  [[nodiscard]] Denoised<Tensor> put(Denoised<Tensor> result, const Tensor& places, bool all,
                                     Tensor guided, const Tensor& reference) const {
    const std::int64_t token = batch_.class_token_width;
    const std::int64_t image = result.prediction.size(1) - token;
    const std::int64_t few = guidance_.channels * batch_.channel_size;
    if (token > 0 || (few != 0 && few < image)) {
      const Tensor own = all ? result.prediction : result.prediction.index_select(0, places);
      const std::int64_t count = few == 0 ? image : few;
      std::vector<Tensor> parts{guided.narrow(1, 0, count), own.narrow(1, count, image - count)};
      if (token > 0) {
        const Tensor conditional = own.narrow(1, image, token);
        const Tensor null = reference.narrow(1, image, token);
        parts.push_back(guidance_.class_token_scale > 0
                            ? null + (conditional - null) * guidance_.class_token_scale
                            : conditional);
      }
      guided = at::cat(parts, 1);
    }
    result.prediction = all ? guided : result.prediction.index_copy(0, places, guided);
    return result;
  }

  Network& network_;
  Guide& guide_;
  GuidedBatch batch_;
  Guidance guidance_;
  std::vector<std::int64_t> all_;
  std::vector<std::int64_t> calls_;
};

} // namespace d2c
