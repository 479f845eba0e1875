#pragma once
/// What metrics are computed from: features of held-out images, samples and training images.

#include <optional>

#include <nlohmann/json.hpp>

#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/feature_statistics.hpp>
#include <d2c/evaluate/near_copies.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Features of one set of images, float32 on the CPU. Undefined are parts that the network does not
/// have or that no metric asked for (FeatureParts).
struct SetFeatures {
  FeatureMoments moments{}; ///< of the wide features
  Tensor neighbours{};      ///< [n, E] the features neighbours are looked for in
  FeatureMoments spatial{}; ///< of the spatial features
  Tensor logits{};          ///< [n, classes]
};

/// The three sets, in the features of one network; one that no metric reads (ReadSets) is empty.
struct JudgedFeatures {
  SetFeatures held_out; ///< the test split, or the archive of [evaluate] reference
  SetFeatures samples;
  SetFeatures training; ///< the kept images the denoiser learned from
};

/// Where metrics put their numbers. Every metric is a free function
/// `measure(Metric, const JudgedFeatures&, const EvaluateConfig&, Judgement&)`, found by the type
/// of the metric; Metric::features names the network.
struct Judgement {
  nlohmann::ordered_json numbers;
  std::optional<NearestRows> nearest; ///< nearest training image of every sample
};

} // namespace d2c
