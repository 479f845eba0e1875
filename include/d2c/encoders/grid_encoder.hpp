#pragma once
/// A vision network that takes square grids of patches, as a vision encoder.

#include <cstdint>
#include <filesystem>
#include <vector>

#include <d2c/encoders/position_rule.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Images to the grid x grid patch tokens and the class token of a network with `prepare(images,
/// grid)` and `forward(input, rule)`, in float32; with `forward(input)` where its positions are not
/// learned (DINOv3).
template <class Network>
class GridEncoder final : public VisionEncoder {
public:
  /// Reads the network. Throws InputError if the file holds another one.
  GridEncoder(const WeightsFile& file, const typename Network::Shape& shape, std::int64_t grid,
              PositionRule rule, at::Device device)
      : files_{file.files()}, network_{file, shape, device}, grid_{grid}, rule_{rule} {}

  [[nodiscard]] Tensor patch_tokens(const Tensor& images) const override {
    return features(images).patch_tokens;
  }

  [[nodiscard]] VisualFeatures features(const Tensor& images) const override {
    const auto output = forward(network_.prepare(images, grid_));
    return {output.patches.contiguous().to(at::kCPU), output.class_token.contiguous().to(at::kCPU)};
  }

  [[nodiscard]] std::vector<std::filesystem::path> files() const override { return files_; }

private:
  [[nodiscard]] auto forward(const Tensor& input) const {
    if constexpr (requires { network_.forward(input, rule_); }) {
      return network_.forward(input, rule_);
    } else {
      return network_.forward(input);
    }
  }

  std::vector<std::filesystem::path> files_;
  Network network_;
  std::int64_t grid_;
  PositionRule rule_;
};

} // namespace d2c
