#pragma once
/// The body of the policy AdamW: moments in flat buffers and one pass per update.

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <d2c/tensor/large_memory.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/adamw.hpp>
#include <d2c/train/adamw_pass.hpp>
#include <d2c/train/optimizer_step.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// AdamW over the flat float32 buffers of a parameter table (Loshchilov & Hutter 2019).
class AdamWOptimizer {
public:
  /// Moments [trainable_count] start at zero, on the table's device.
  AdamWOptimizer(const ParameterTable& parameters, const TrainConfig& config)
      : config_{config},
        first_{zeros_for(parameters.gradients())},
        second_{zeros_for(parameters.gradients())},
        ranges_{{0, parameters.trainable_count()}} {}

  /// One update in place: the table's trainable values from its gradients, and the weight average
  /// `average` [at least trainable_count] behind them.
  void step(const OptimizerStep& update, const ParameterTable& parameters, const Tensor& average) {
    const at::NoGradGuard no_grad;
    const Tensor& values = parameters.values();
    const Tensor& gradients = parameters.gradients();
    const AdamWScalars scalars = AdamWScalars::at(
        update.index, config_.learning_rate * update.learning_rate_factor, config_.beta1,
        config_.beta2, config_.weight_decay, update.gradient_scale, update.ema_decay);
    for (const auto& [offset, count] : ranges_) {
      if (values.is_cpu()) {
        step_on_cpu(scalars, offset, count, values, gradients, average);
      } else {
        step_by_operators(scalars, offset, count, values, gradients, average);
      }
    }
  }

  /// Named flat tensors that a checkpoint keeps; writing into them restores the state.
  [[nodiscard]] std::vector<std::pair<std::string, Tensor>> state() const {
    return {{"first_moment", first_}, {"second_moment", second_}};
  }

  /// Leaves elements [offset, offset + count) to another rule.
  void exclude(std::int64_t offset, std::int64_t count) {
    std::vector<std::pair<std::int64_t, std::int64_t>> kept;
    for (const auto& [first, size] : ranges_) {
      const std::int64_t before = std::clamp<std::int64_t>(offset - first, 0, size);
      const std::int64_t after = std::clamp<std::int64_t>(first + size - offset - count, 0, size);
      if (before > 0) {
        kept.emplace_back(first, before);
      }
      if (after > 0) {
        kept.emplace_back(first + size - after, after);
      }
    }
    ranges_ = std::move(kept);
  }

private:
  static Tensor zeros_for(const Tensor& gradients) {
    return gradients.is_cpu() ? large_zeros(gradients.numel(), gradients.scalar_type())
                              : at::zeros_like(gradients);
  }

  void step_on_cpu(const AdamWScalars& scalars, std::int64_t offset, std::int64_t count,
                   const Tensor& values, const Tensor& gradients, const Tensor& average) {
    float* p = values.mutable_data_ptr<float>() + offset;
    const float* g = gradients.const_data_ptr<float>() + offset;
    float* m = first_.mutable_data_ptr<float>() + offset;
    float* v = second_.mutable_data_ptr<float>() + offset;
    float* a = average.mutable_data_ptr<float>() + offset;
    parallel_ranges(count, 1 << 15, [&](std::int64_t from, std::int64_t to) {
      adamw_pass(scalars, to - from, p + from, g + from, m + from, v + from, a + from);
    });
  }

  void step_by_operators(const AdamWScalars& s, std::int64_t offset, std::int64_t count,
                         const Tensor& values, const Tensor& gradients, const Tensor& average) {
    const Tensor g = gradients.narrow(0, offset, count) * s.gradient_scale;
    Tensor p = values.narrow(0, offset, count);
    Tensor m = first_.narrow(0, offset, count);
    Tensor v = second_.narrow(0, offset, count);
    m.lerp_(g, 1.0 - s.beta1);
    v.mul_(s.beta2).addcmul_(g, g, 1.0 - s.beta2);
    p.mul_(s.decay).addcdiv_(m, v.sqrt().mul_(s.second_scale).add_(s.epsilon), -s.step_size);
    average.narrow(0, offset, count).lerp_(p, s.average);
  }

  TrainConfig config_;
  Tensor first_;
  Tensor second_;
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges_; ///< offset and count
};

/// The optimizer that the policy AdamW names.
inline AdamWOptimizer make_optimizer(AdamW, const ParameterTable& parameters,
                                     const TrainConfig& config) {
  return {parameters, config};
}

} // namespace d2c
