#pragma once
/// Mean and covariance of a stream of feature vectors, in double precision.

#include <cstdint>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The two moments that a Frechet distance compares: mean [D] and covariance [D, D], float64, on
/// the CPU, and how many vectors they come from.
struct FeatureMoments {
  Tensor mean;
  Tensor covariance;
  std::int64_t count = 0;
};

/// Accumulates moments batch by batch. Sums are centred at the first batch's mean, so features far
/// from zero lose no digits; the result does not depend on how the stream is cut beyond rounding.
class FeatureStatistics {
public:
  /// Adds features [n, D] of any floating type and device. Throws InputError if D changes.
  void add(const Tensor& features) {
    if (features.dim() != 2 || (shift_.defined() && features.size(1) != shift_.size(0))) {
      throw InputError("feature statistics: expected a batch of shape [n, " +
                       (shift_.defined() ? std::to_string(shift_.size(0)) : std::string{"D"}) +
                       "], found " + c10::str(features.sizes()));
    }
    if (features.size(0) == 0) {
      return;
    }
    const Tensor batch = features.to(at::kCPU, at::kDouble);
    if (!shift_.defined()) {
      shift_ = batch.mean(0);
      sum_ = at::zeros_like(shift_);
      products_ = at::zeros({shift_.size(0), shift_.size(0)}, at::kDouble);
    }
    const Tensor centred = batch - shift_;
    sum_ += centred.sum(0);
    products_.addmm_(centred.t(), centred);
    count_ += batch.size(0);
  }

  /// How many vectors were added.
  [[nodiscard]] std::int64_t count() const { return count_; }

  /// Mean and unbiased covariance (ddof 1, as numpy.cov and every published evaluator). Throws
  /// InputError with fewer than two vectors.
  [[nodiscard]] FeatureMoments moments() const {
    if (count_ < 2) {
      throw InputError("feature statistics: expected at least 2 feature vectors, found " +
                       std::to_string(count_));
    }
    const auto n = static_cast<double>(count_);
    const Tensor offset = sum_ / n;
    return {shift_ + offset, (products_ - at::outer(sum_, offset)) / (n - 1.0), count_};
  }

private:
  Tensor shift_;
  Tensor sum_;
  Tensor products_;
  std::int64_t count_ = 0;
};

} // namespace d2c
