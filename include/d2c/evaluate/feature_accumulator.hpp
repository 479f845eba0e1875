#pragma once
/// Features of a set of images, gathered batch by batch.

#include <cstdint>
#include <string>
#include <utility>

#include <d2c/core/error.hpp>
#include <d2c/evaluate/feature_extractor.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/feature_statistics.hpp>
#include <d2c/evaluate/judged_features.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Keeps the asked parts of what add() is given and no more: moments as sums, neighbours and logits
/// row by row in tensors of their final size.
class FeatureAccumulator {
public:
  /// For `count` images.
  FeatureAccumulator(const FeatureParts& parts, std::int64_t count)
      : parts_{parts}, count_{count} {}

  /// Adds the features of some images. Throws InputError if their widths change, Failure if they
  /// are more than `count`.
  void add(const ImageFeatures& some) {
    const std::int64_t n = some.moments.size(0);
    if (n > count_ - done_) {
      throw Failure("features: expected " + std::to_string(count_) + " images, found " +
                    std::to_string(done_ + n));
    }
    if (parts_.moments) {
      moments_.add(some.moments);
    }
    if (parts_.spatial && some.spatial.defined()) {
      spatial_.add(some.spatial);
    }
    if (parts_.neighbours) {
      keep(neighbours_, some.neighbours);
    }
    if (parts_.logits && some.logits.defined()) {
      keep(logits_, some.logits);
    }
    done_ += n;
  }

  /// The features of all images; a part that was not asked for, or that the network does not have,
  /// stays undefined. Throws InputError if moments were asked of fewer than two images, Failure if
  /// images are missing.
  [[nodiscard]] SetFeatures finish() {
    if (done_ != count_) {
      throw Failure("features: expected " + std::to_string(count_) + " images, found " +
                    std::to_string(done_));
    }
    SetFeatures features;
    if (parts_.moments) {
      features.moments = moments_.moments();
    }
    if (spatial_.count() > 0) {
      features.spatial = spatial_.moments();
    }
    features.neighbours = std::move(neighbours_);
    features.logits = std::move(logits_);
    return features;
  }

private:
  void keep(Tensor& all, const Tensor& some) const {
    if (!all.defined()) {
      all = at::empty({count_, some.size(1)}, some.options());
    }
    if (some.size(1) != all.size(1)) {
      throw InputError("features: expected vectors of width " + std::to_string(all.size(1)) +
                       ", found width " + std::to_string(some.size(1)));
    }
    all.slice(0, done_, done_ + some.size(0)).copy_(some);
  }

  FeatureParts parts_;
  std::int64_t count_;
  std::int64_t done_ = 0;
  FeatureStatistics moments_;
  FeatureStatistics spatial_;
  Tensor neighbours_;
  Tensor logits_;
};

} // namespace d2c
