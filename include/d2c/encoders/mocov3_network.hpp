#pragma once
/// The network of MoCo v3 for inference, from the published files.

#include <string>

#include <d2c/encoders/learned_positions.hpp>
#include <d2c/encoders/mocov3_tensors.hpp>
#include <d2c/encoders/vision_transformer_network.hpp>
#include <d2c/encoders/vision_transformer_tensors.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The vision transformer of MoCo v3 (Chen, Xie and He 2021).
class MoCoV3Network : public VisionTransformerNetwork {
public:
  /// Reads the network from a file that mocov3_names_of knows. Errors as of the base.
  MoCoV3Network(const WeightsFile& file, const Shape& shape, at::Device device = at::kCPU)
      : VisionTransformerNetwork{file, shape, mocov3_names_of(file.names()), "MoCo v3", device} {}

  /// The comparison of the base with a file that mocov3_names_of knows.
  static void require_fits(const WeightsFile& file, const Shape& shape) {
    VisionTransformerNetwork::require_fits(file, shape, mocov3_names_of(file.names()), "MoCo v3");
  }

  /// What `[attach] vision_weights` should name.
  static std::string expected_file(const Shape& shape) {
    return "a file with the MoCo v3 weights (" + mocov3_file(shape) + ")";
  }

  /// REPA's tokens of an input [n, 3, H, W] from prepare(), all after the last layer norm.
  [[nodiscard]] Output forward(const Tensor& input,
                               PositionRule rule = PositionRule::antialiased) const {
    const Tensor x = normalised(tokens(input, rule));
    return {x.select(1, 0), x.slice(1, 1)};
  }
};

} // namespace d2c
