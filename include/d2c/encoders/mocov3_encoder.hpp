#pragma once
/// MoCo v3 as a vision encoder: patch tokens as REPA takes them, and the class token.

#include <memory>
#include <string>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/mocov3.hpp>
#include <d2c/encoders/mocov3_tensors.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/encoders/vision_transformer_encoder.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Patch tokens after the last layer norm.
inline PublishedVisionTransformer published_mocov3(const VisionTransformerShape& shape) {
  return {"MoCo v3",
          shape.width == mocov3_shapes::S.width   ? "vit-s-300ep.pth.tar"
          : shape.width == mocov3_shapes::B.width ? "vit-b-300ep.pth.tar"
                                                  : "vitl.pth.tar of RCG",
          mocov3_names_of, VisionTransformerEncoder::PatchTokens::of_last_norm};
}

/// The encoder that a tag with MoCoV3Facts names, from the configured file. Throws InputError if
/// the file is missing or holds another network.
template <VisionTransformerShape Shape, int Grid>
std::unique_ptr<VisionEncoder> make_encoder(const MoCoV3Facts<Shape, Grid>&,
                                            const AttachConfig& config, at::Device device) {
  return make_vision_transformer(published_mocov3(Shape), Shape, Grid, config, device);
}

/// Adds a problem if the weights are missing; reads nothing.
template <VisionTransformerShape Shape, int Grid>
void check_encoder(const MoCoV3Facts<Shape, Grid>&, const AttachConfig& config,
                   Problems& problems) {
  const std::string problem = vision_transformer_problem(published_mocov3(Shape), config);
  if (!problem.empty()) {
    problems.add("[attach] vision_weights", problem);
  }
}

} // namespace d2c
