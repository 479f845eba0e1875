#pragma once
/// What every frozen vision encoder can do, whatever its network.

#include <filesystem>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// What a vision encoder makes of images.
struct VisualFeatures {
  Tensor patch_tokens; ///< [n, N, V] float32 on the CPU
  Tensor class_tokens; ///< [n, V] float32 on the CPU
};

/// A frozen vision encoder. One is made by make_encoder(tag, config, device), found by the type of
/// the tag.
class VisionEncoder {
public:
  virtual ~VisionEncoder() = default;

  /// Patch tokens [n, N, V] float32 on the CPU, rows of the grid first, of images [n, C, H, W]
  /// uint8 with C = 1 or 3. The encoder resizes and normalises them; how is its own business.
  [[nodiscard]] virtual Tensor patch_tokens(const Tensor& images) const = 0;

  /// The same with the class token of each image. Asked of encoders whose tag states
  /// `class_token`; the others throw Failure.
  [[nodiscard]] virtual VisualFeatures features(const Tensor& /*images*/) const {
    throw Failure("attaching: expected a vision encoder with class tokens, found one without");
  }

  /// The files it was read from, for manifests.
  [[nodiscard]] virtual std::vector<std::filesystem::path> files() const = 0;
};

} // namespace d2c
