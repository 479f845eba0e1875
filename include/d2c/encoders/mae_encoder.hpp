#pragma once
/// MAE as a vision encoder: patch tokens as REPA takes them, and the class token.

#include <memory>
#include <string>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/mae.hpp>
#include <d2c/encoders/mae_tensors.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/encoders/vision_transformer_encoder.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// REPA leaves out the last layer norm of this network alone: its patch tokens are those of the
/// last block.
inline PublishedVisionTransformer published_mae() {
  return {"MAE", "mae_pretrain_vit_large.pth, or those of transformers or timm as safetensors",
          mae_names_of, VisionTransformerEncoder::PatchTokens::of_last_block};
}

/// The encoder that a tag with MAEFacts names, from the configured file. Throws InputError if the
/// file is missing or holds another network.
template <VisionTransformerShape Shape, int Grid>
std::unique_ptr<VisionEncoder> make_encoder(const MAEFacts<Shape, Grid>&,
                                            const AttachConfig& config, at::Device device) {
  return make_vision_transformer(published_mae(), Shape, Grid, config, device);
}

/// Adds a problem if the weights are missing; reads nothing.
template <VisionTransformerShape Shape, int Grid>
void check_encoder(const MAEFacts<Shape, Grid>&, const AttachConfig& config, Problems& problems) {
  const std::string problem = vision_transformer_problem(published_mae(), config);
  if (!problem.empty()) {
    problems.add("[attach] vision_weights", problem);
  }
}

} // namespace d2c
