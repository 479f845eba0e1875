#pragma once
/// The body of the policy Muon: orthogonalised momentum for block matrices, AdamW for the rest.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <d2c/models/parameter_list.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/adamw_optimizer.hpp>
#include <d2c/train/muon.hpp>
#include <d2c/train/optimizer_step.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// Five Newton-Schulz steps X <- aX + (bA + cA^2)X, A = XX^T, on a batch of matrices [k, r, c] that
/// are scaled to Frobenius norm 1 first; pulls every singular value towards [0.7, 1.2] (Jordan et
/// al. 2024, coefficients 3.4445, -4.7750, 2.0315). Computes in the dtype of `matrices`; the
/// published code uses bfloat16, which many CPUs do not multiply at speed. Zero matrices stay zero.
inline Tensor orthogonalize(const Tensor& matrices) {
  constexpr double a = 3.4445;
  constexpr double b = -4.7750;
  constexpr double c = 2.0315;
  constexpr int steps = 5;
  const at::NoGradGuard no_grad;
  const bool wide = matrices.size(1) <= matrices.size(2);
  const std::int64_t side = wide ? matrices.size(1) : matrices.size(2);
  const std::int64_t length = wide ? matrices.size(2) : matrices.size(1);
  Tensor x =
      matrices / at::linalg_vector_norm(matrices, 2, at::IntArrayRef{1, 2}, true).clamp_min(1e-7);
  // The smaller of XX^T and X^TX; X(bA + cA^2) equals (bA' + cA'^2)X for the other one.
  const auto gram_of = [wide](Tensor& out, const Tensor& y) {
    const Tensor turned = y.transpose(1, 2);
    at::bmm_out(out, wide ? y : turned, wide ? turned : y);
  };
  Tensor gram = at::empty({x.size(0), side, side}, x.options());
  Tensor polynomial = at::empty_like(gram);
  if (2 * length < 3 * side) {
    Tensor next = at::empty_like(x);
    for (int i = 0; i < steps; ++i) {
      gram_of(gram, x);
      at::baddbmm_out(polynomial, gram, gram, gram, b, c);
      at::baddbmm_out(next, x, wide ? polynomial : x, wide ? x : polynomial, a, 1);
      std::swap(x, next);
    }
    return x;
  }
  // Far from square it is cheaper to stay on the small side: with P = aI + bA + cA^2 the next A is
  // PAP, and the product of all P is applied to X once.
  gram_of(gram, x);
  Tensor product;
  Tensor other = at::empty_like(gram);
  for (int i = 0; i < steps; ++i) {
    at::baddbmm_out(polynomial, gram, gram, gram, b, c);
    polynomial.diagonal(0, 1, 2).add_(a);
    product = product.defined() ? at::bmm(polynomial, product) : polynomial.clone();
    if (i + 1 < steps) {
      at::bmm_out(other, polynomial, gram);
      at::bmm_out(gram, other, polynomial);
    }
  }
  return wide ? at::bmm(product, x) : at::bmm(x, product);
}

/// Muon (Jordan et al. 2024; torch.optim.Muon with adjust_lr_fn "original"): momentum 0.95 with
/// Nesterov, orthogonalised, times muon_learning_rate * sqrt(max(1, rows / columns)). It moves the
/// matrices inside `blocks.*` except adaLN's; a fused qkv weight counts as three matrices. All
/// other parameters, biases included, are AdamW's.
class MuonOptimizer {
public:
  static constexpr double momentum = 0.95;

  /// State starts at zero, on the table's device.
  MuonOptimizer(const ParameterTable& parameters, const TrainConfig& config)
      : config_{config}, rest_{parameters, config} {
    std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::int64_t>> by_shape;
    for (const ParameterEntry& entry : parameters.entries()) {
      if (!is_block_matrix(entry)) {
        continue;
      }
      const std::int64_t offset = parameters.offset(entry.name);
      rest_.exclude(offset, entry.count());
      const bool fused = entry.name.ends_with(".qkv.weight");
      const std::int64_t parts = fused ? 3 : 1;
      const std::int64_t rows = entry.shape[0] / parts;
      for (std::int64_t part = 0; part < parts; ++part) {
        by_shape[{rows, entry.shape[1]}].push_back(offset + part * rows * entry.shape[1]);
      }
    }
    std::int64_t elements = 0;
    for (const auto& [shape, offsets] : by_shape) {
      // Batches keep small products busy; their size is bounded for the sake of large networks.
      const std::int64_t size = shape.first * shape.second;
      const auto most = static_cast<std::size_t>(std::max<std::int64_t>(1, largest_batch / size));
      for (std::size_t first = 0; first < offsets.size(); first += most) {
        const std::size_t last = std::min(offsets.size(), first + most);
        groups_.push_back({shape.first,
                           shape.second,
                           {offsets.begin() + static_cast<std::ptrdiff_t>(first),
                            offsets.begin() + static_cast<std::ptrdiff_t>(last)},
                           elements});
        elements += size * static_cast<std::int64_t>(last - first);
      }
    }
    momentum_ = at::zeros({elements}, parameters.gradients().options());
  }

  /// One update in place: the table's trainable values from its gradients, and the weight average
  /// `average` [at least trainable_count] behind them.
  void step(const OptimizerStep& update, const ParameterTable& parameters, const Tensor& average) {
    const at::NoGradGuard no_grad;
    const Tensor& values = parameters.values();
    const Tensor& gradients = parameters.gradients();
    rest_.step(update, parameters, average);
    const double rate = config_.muon_learning_rate * update.learning_rate_factor;
    for (const Group& group : groups_) {
      const auto matrices = static_cast<std::int64_t>(group.offsets.size());
      const Tensor velocity =
          momentum_.narrow(0, group.start, matrices * group.rows * group.columns)
              .view({matrices, group.rows, group.columns});
      Tensor direction = at::empty_like(velocity);
      const double scale = rate * std::sqrt(std::max(1.0, static_cast<double>(group.rows) /
                                                              static_cast<double>(group.columns)));
      if (values.is_cpu()) {
        gather_on_cpu(group, update, gradients, velocity, direction);
        move_on_cpu(group, update, orthogonalize(direction), values, average, rate, scale);
        continue;
      }
      for (std::int64_t k = 0; k < matrices; ++k) {
        direction[k].copy_(slice_of(gradients, group, k));
      }
      direction.mul_(update.gradient_scale);
      velocity.lerp_(direction, 1.0 - momentum);
      direction = orthogonalize(direction.lerp_(velocity, momentum));
      for (std::int64_t k = 0; k < matrices; ++k) {
        Tensor p = slice_of(values, group, k);
        p.mul_(1.0 - rate * config_.weight_decay).add_(direction[k], -scale);
        slice_of(average, group, k).lerp_(p, 1.0 - update.ema_decay);
      }
    }
  }

  /// Named flat tensors that a checkpoint keeps; writing into them restores the state.
  [[nodiscard]] std::vector<std::pair<std::string, Tensor>> state() const {
    auto tensors = rest_.state();
    tensors.emplace_back("momentum", momentum_);
    return tensors;
  }

  /// Whether Muon moves this parameter: a trained matrix of a transformer block, not adaLN's.
  [[nodiscard]] static bool is_block_matrix(const ParameterEntry& entry) {
    return entry.trainable && entry.shape.size() == 2 && entry.name.starts_with("blocks.") &&
           entry.name.find(".adaLN_modulation.") == std::string::npos;
  }

private:
  static constexpr std::int64_t largest_batch = 1 << 23; ///< elements

  /// Matrices of one shape: their places in the flat buffers, and where their momentum starts.
  struct Group {
    std::int64_t rows;
    std::int64_t columns;
    std::vector<std::int64_t> offsets;
    std::int64_t start;
  };

  static Tensor slice_of(const Tensor& flat, const Group& group, std::int64_t k) {
    const std::int64_t size = group.rows * group.columns;
    return flat.narrow(0, group.offsets[static_cast<std::size_t>(k)], size)
        .view({group.rows, group.columns});
  }

  /// Clipped gradients into the momentum, and what Nesterov makes of both into `direction`.
  static void gather_on_cpu(const Group& group, const OptimizerStep& update,
                            const Tensor& gradients, const Tensor& velocity,
                            const Tensor& direction) {
    const std::int64_t size = group.rows * group.columns;
    const auto clip = static_cast<float>(update.gradient_scale);
    const auto keep = static_cast<float>(momentum);
    const float* all = gradients.const_data_ptr<float>();
    float* const velocities = velocity.mutable_data_ptr<float>();
    float* const directions = direction.mutable_data_ptr<float>();
    parallel_ranges(velocity.size(0), grain(size), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t k = first; k < last; ++k) {
        const float* __restrict g = all + group.offsets[static_cast<std::size_t>(k)];
        float* __restrict v = velocities + k * size;
        float* __restrict d = directions + k * size;
        for (std::int64_t i = 0; i < size; ++i) {
          const float gradient = g[i] * clip;
          v[i] = gradient + keep * (v[i] - gradient);
          d[i] = gradient + keep * (v[i] - gradient);
        }
      }
    });
  }

  /// Weight decay, the step along `direction`, and the weight average behind it.
  void move_on_cpu(const Group& group, const OptimizerStep& update, const Tensor& direction,
                   const Tensor& values, const Tensor& average, double rate, double scale) const {
    const std::int64_t size = group.rows * group.columns;
    const auto decay = static_cast<float>(1.0 - rate * config_.weight_decay);
    const auto step_size = static_cast<float>(scale);
    const auto follow = static_cast<float>(1.0 - update.ema_decay);
    const float* const directions = direction.const_data_ptr<float>();
    float* const all_values = values.mutable_data_ptr<float>();
    float* const all_averages = average.mutable_data_ptr<float>();
    parallel_ranges(direction.size(0), grain(size), [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t k = first; k < last; ++k) {
        const float* __restrict d = directions + k * size;
        float* __restrict p = all_values + group.offsets[static_cast<std::size_t>(k)];
        float* __restrict a = all_averages + group.offsets[static_cast<std::size_t>(k)];
        for (std::int64_t i = 0; i < size; ++i) {
          p[i] = p[i] * decay - step_size * d[i];
          a[i] += follow * (p[i] - a[i]);
        }
      }
    });
  }

  /// Matrices per task, so that a task is worth a thread.
  static std::int64_t grain(std::int64_t size) {
    return std::max<std::int64_t>(1, (1 << 15) / size);
  }

  TrainConfig config_;
  AdamWOptimizer rest_;
  std::vector<Group> groups_;
  Tensor momentum_;
};

/// The optimizer that the policy Muon names.
inline MuonOptimizer make_optimizer(Muon, const ParameterTable& parameters,
                                    const TrainConfig& config) {
  return {parameters, config};
}

} // namespace d2c
