#pragma once
/// DINOv2 as a vision encoder: patch tokens as REPA takes them, and the class token.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/dinov2.hpp>
#include <d2c/encoders/dinov2_network.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Images to grid x grid patch tokens after the last layer norm, with REPA's preprocessing and
/// positions (Yu et al. 2024) but in float32 where REPA computes under autocast.
class DINOv2Encoder final : public VisionEncoder {
public:
  DINOv2Encoder(const std::filesystem::path& weights, const DINOv2Shape& shape, std::int64_t grid,
                at::Device device)
      : files_{weights}, network_{WeightsFile{weights}, shape, device}, grid_{grid} {}

  [[nodiscard]] Tensor patch_tokens(const Tensor& images) const override {
    return features(images).patch_tokens;
  }

  /// With x_norm_clstoken, unscaled.
  [[nodiscard]] VisualFeatures features(const Tensor& images) const override {
    const auto output = network_.forward(network_.prepare(images, grid_));
    return {output.patches.contiguous().to(at::kCPU), output.class_token.contiguous().to(at::kCPU)};
  }

  [[nodiscard]] std::vector<std::filesystem::path> files() const override { return files_; }

private:
  std::vector<std::filesystem::path> files_;
  DINOv2Network network_;
  std::int64_t grid_;
};

/// What is wrong with the configured file, "expected ..., found ...", or nothing; reads nothing. No
/// Python package carries these weights.
template <class = Once>
std::string dinov2_file_problem(const DINOv2Shape& shape, const AttachConfig& config) {
  const std::string& file = config.vision_weights;
  if (std::filesystem::is_regular_file(file)) {
    return {};
  }
  return "expected a file with the DINOv2 weights (" + dinov2_file(shape) +
         ", or those of transformers or timm as safetensors), found " +
         (file.empty() ? "no path" : "no file \"" + file + "\"");
}
D2C_COMPILED_ONCE(std::string dinov2_file_problem<>(const DINOv2Shape&, const AttachConfig&))

/// The encoder of a shape and grid, from the configured file. Throws InputError if the file is
/// missing or holds another network.
template <class = Once>
std::unique_ptr<VisionEncoder> make_dinov2(const DINOv2Shape& shape, std::int64_t grid,
                                           const AttachConfig& config, at::Device device) {
  const std::string problem = dinov2_file_problem(shape, config);
  if (!problem.empty()) {
    throw InputError("attach.vision_weights: " + problem);
  }
  return std::make_unique<DINOv2Encoder>(config.vision_weights, shape, grid, device);
}
D2C_COMPILED_ONCE(std::unique_ptr<VisionEncoder> make_dinov2<>(const DINOv2Shape&, std::int64_t,
                                                               const AttachConfig&, at::Device))

/// The encoder that a tag with DINOv2Facts names. Errors as above.
template <DINOv2Shape Shape, int Grid>
std::unique_ptr<VisionEncoder> make_encoder(const DINOv2Facts<Shape, Grid>&,
                                            const AttachConfig& config, at::Device device) {
  return make_dinov2(Shape, Grid, config, device);
}

/// Adds a problem if the weights are missing; reads nothing.
template <DINOv2Shape Shape, int Grid>
void check_encoder(const DINOv2Facts<Shape, Grid>&, const AttachConfig& config,
                   Problems& problems) {
  const std::string problem = dinov2_file_problem(Shape, config);
  if (!problem.empty()) {
    problems.add("[attach] vision_weights", problem);
  }
}

} // namespace d2c
