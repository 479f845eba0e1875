#pragma once
/// What every feature network can do, whatever it is: some vectors per image.

#include <filesystem>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Features of a batch of images, float32 on the CPU.
struct ImageFeatures {
  Tensor moments;    ///< [n, D] what a Frechet distance is taken of
  Tensor neighbours; ///< [n, E] what neighbours are looked for in; may be a copy of `moments`
  Tensor spatial{};  ///< [n, S] what a spatial Frechet distance is taken of; undefined: none
  Tensor logits{};   ///< [n, classes] scores before softmax; undefined: the network has none
};

/// A feature network for evaluation. One is made by make_feature_extractor(tag, config, device),
/// found by the type of the tag.
class FeatureExtractor {
public:
  virtual ~FeatureExtractor() = default;

  /// Features of images [n, C, H, W] uint8 with C = 1 or 3; resizes and normalises by itself.
  [[nodiscard]] virtual ImageFeatures extract(const Tensor& images) const = 0;

  /// Whether `mu` and `sigma` of ADM's reference batches are moments of these very features.
  [[nodiscard]] virtual bool shares_published_moments() const { return false; }

  /// The file it was read from, for names of caches and for manifests.
  [[nodiscard]] virtual std::filesystem::path file() const = 0;
};

} // namespace d2c
