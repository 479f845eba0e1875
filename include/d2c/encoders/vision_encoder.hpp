#pragma once
/// What every frozen vision encoder can do, whatever its network.

#include <filesystem>
#include <vector>

#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A frozen vision encoder. One is made by make_encoder(tag, config, device), found by the type of
/// the tag.
class VisionEncoder {
public:
  virtual ~VisionEncoder() = default;

  /// Patch tokens [n, N, V] float32 on the CPU, rows of the grid first, of images [n, C, H, W]
  /// uint8 with C = 1 or 3. The encoder resizes and normalises as its training did.
  [[nodiscard]] virtual Tensor patch_tokens(const Tensor& images) const = 0;

  /// The files it was read from, for manifests.
  [[nodiscard]] virtual std::vector<std::filesystem::path> files() const = 0;
};

} // namespace d2c
