#pragma once
/// What every feature network can do, whatever it is: some vectors per image.

#include <filesystem>
#include <optional>

#include <d2c/encoders/published_moments.hpp>
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

  /// The moments in archives that are those of these very features; nothing if there are none.
  [[nodiscard]] virtual std::optional<PublishedMoments> published_moments() const { return {}; }

  /// The file it was read from, for names of caches and for manifests.
  [[nodiscard]] virtual std::filesystem::path file() const = 0;
};

} // namespace d2c
