#pragma once
/// The network of MAE for inference, from the published files.

#include <string>

#include <d2c/encoders/learned_positions.hpp>
#include <d2c/encoders/mae_tensors.hpp>
#include <d2c/encoders/vision_transformer_network.hpp>
#include <d2c/encoders/vision_transformer_tensors.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The vision transformer of MAE (He et al. 2022).
class MAENetwork : public VisionTransformerNetwork {
public:
  /// Reads the network from a file that mae_names_of knows. Errors as of the base.
  MAENetwork(const WeightsFile& file, const Shape& shape, at::Device device = at::kCPU)
      : VisionTransformerNetwork{file, shape, mae_names_of(file.names()), "MAE", device} {}

  /// The comparison of the base with a file that mae_names_of knows.
  static void require_fits(const WeightsFile& file, const Shape& shape) {
    VisionTransformerNetwork::require_fits(file, shape, mae_names_of(file.names()), "MAE");
  }

  /// What `[attach] vision_weights` should name.
  static std::string expected_file(const Shape& shape) {
    return "a file with the MAE weights (" + mae_file(shape) +
           ", or those of transformers or timm as safetensors)";
  }

  /// REPA's tokens of an input [n, 3, H, W] from prepare(): patches of the last block, which REPA
  /// does not normalise; the class token after the last layer norm.
  [[nodiscard]] Output forward(const Tensor& input,
                               PositionRule rule = PositionRule::antialiased) const {
    const Tensor x = tokens(input, rule);
    return {normalised(x.select(1, 0)), x.slice(1, 1)};
  }
};

} // namespace d2c
