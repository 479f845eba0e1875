#pragma once
/// The losses of a batch of images at given columns of the loss matrix: noise, network, error.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <d2c/diffusion/noise_prediction_tensors.hpp>
#include <d2c/diffusion/objective.hpp>
#include <d2c/score/score_column.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Computes rows of the loss matrix (Eq. 7; lines 5 to 9 of Algorithm 2). `network(x, t, labels)`
/// takes float32 [m, C, H, W], float32 [m] and int64 [m] and returns an object with tensors
/// `prediction` and `variance`. Noise shared by all images is drawn once, when the object is made.
template <class Objective, class Network>
class ColumnLosses {
public:
  /// `shape` is channels, height, width of the latents. `network` is borrowed.
  ColumnLosses(const Network& network, std::vector<ScoreColumn> columns,
               std::array<std::int64_t, 3> shape, at::Device device)
      : network_{network}, columns_{std::move(columns)}, shape_{shape}, device_{device} {
    constexpr std::array<std::int64_t, 1> any{0};
    for (const ScoreColumn& column : columns_) {
      if (column.shared_noise) {
        Tensor& noise = shared_[{column.seed, column.bank}];
        if (!noise.defined()) {
          noise = random_normal(column.noise(0), any, shape_, device_);
        }
      }
    }
  }

  [[nodiscard]] const std::vector<ScoreColumn>& columns() const { return columns_; }

  /// Losses float32 [n, columns] on the CPU. `latents` float32 [n, C, H, W]; `labels` and `samples`
  /// (each image's index in the split, which keys its own noise) have n entries. All images of a
  /// call share the time of a column. No gradients.
  [[nodiscard]] Tensor operator()(const Tensor& latents, std::span<const std::int64_t> labels,
                                  std::span<const std::int64_t> samples) const {
    const std::int64_t n = latents.size(0);
    const Tensor all_labels =
        at::tensor(at::IntArrayRef(labels.data(), labels.size()), at::kLong).to(device_);
    const Tensor x0 = latents.to(device_);
    const Tensor losses = at::empty({n, static_cast<std::int64_t>(columns_.size())}, x0.options());
    const at::NoGradGuard no_grad;
    for (std::size_t j = 0; j < columns_.size(); ++j) {
      const ScoreColumn& column = columns_[j];
      const Tensor t = Objective::time(at::full({n}, column.time, x0.options()));
      const Tensor noise = noise_of(column, samples);
      const Tensor x_t = Objective::diffuse(x0, noise, t);
      const auto out = network_(x_t, t, all_labels);
      losses.select(1, static_cast<std::int64_t>(j))
          .copy_(Objective::noise_error(out, x0, noise, x_t, t));
    }
    return losses.to(at::kCPU);
  }

private:
  /// [count, C, H, W], or [1, C, H, W] where all images share it.
  [[nodiscard]] Tensor noise_of(const ScoreColumn& column,
                                std::span<const std::int64_t> samples) const {
    const Tensor noise = column.shared_noise
                             ? shared_.at({column.seed, column.bank})
                             : random_normal(column.noise(0), samples, shape_, device_);
    return column.sign < 0 ? noise.neg() : noise;
  }

  const Network& network_;
  std::vector<ScoreColumn> columns_;
  std::array<std::int64_t, 3> shape_;
  at::Device device_;
  std::map<std::pair<std::uint64_t, std::uint32_t>, Tensor> shared_;
};

} // namespace d2c
