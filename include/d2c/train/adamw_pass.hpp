#pragma once
/// AdamW and the weight average in one pass over flat arrays. Torch-free.

#include <cmath>
#include <cstdint>

namespace d2c {

/// The scalars of one AdamW update, already combined so that an element costs one division and one
/// square root.
struct AdamWScalars {
  float gradient_scale = 1;
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float decay = 1;        ///< 1 - rate * weight_decay
  float step_size = 0;    ///< rate / (1 - beta1^n)
  float second_scale = 1; ///< 1 / sqrt(1 - beta2^n)
  float epsilon = 1e-8f;
  float average = 0; ///< 1 - EMA decay

  /// For update `index` = 0, 1, ... at learning rate `rate`; bias corrections as in Kingma & Ba.
  static AdamWScalars at(std::int64_t index, double rate, double beta1, double beta2,
                         double weight_decay, double gradient_scale, double ema_decay) {
    const auto n = static_cast<double>(index + 1);
    AdamWScalars scalars;
    scalars.gradient_scale = static_cast<float>(gradient_scale);
    scalars.beta1 = static_cast<float>(beta1);
    scalars.beta2 = static_cast<float>(beta2);
    scalars.decay = static_cast<float>(1.0 - rate * weight_decay);
    scalars.step_size = static_cast<float>(rate / (1.0 - std::pow(beta1, n)));
    scalars.second_scale = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(beta2, n)));
    scalars.average = static_cast<float>(1.0 - ema_decay);
    return scalars;
  }
};

/// One update of `count` float32 elements: clipping, both moments, decoupled weight decay
/// (Loshchilov & Hutter 2019; element by element what torch.optim.AdamW does) and the weight
/// average. Reads `gradients`, updates the other arrays. 32 bytes per element go through memory.
inline void adamw_pass(const AdamWScalars& s, std::int64_t count, float* __restrict values,
                       const float* __restrict gradients, float* __restrict first,
                       float* __restrict second, float* __restrict average) {
  const float rest1 = 1.0f - s.beta1;
  const float rest2 = 1.0f - s.beta2;
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = gradients[i] * s.gradient_scale;
    const float m = first[i] + rest1 * (g - first[i]);
    const float v = s.beta2 * second[i] + rest2 * g * g;
    const float p =
        values[i] * s.decay - s.step_size * m / (std::sqrt(v) * s.second_scale + s.epsilon);
    first[i] = m;
    second[i] = v;
    values[i] = p;
    average[i] += s.average * (p - average[i]);
  }
}

} // namespace d2c
