#pragma once
/// The networks called MAE: their sizes, and where their tensors lie in the published files.
/// Torch-free; holds no values.

#include <algorithm>
#include <string>
#include <vector>

#include <d2c/encoders/vision_transformer_tensors.hpp>

namespace d2c {

/// The authors' sizes; REPA knows L. H has patches of 14 pixels, 16 x 16 of them.
namespace mae_shapes {
inline constexpr VisionTransformerShape B{.width = 768, .depth = 12, .heads = 12};
inline constexpr VisionTransformerShape L{.width = 1024, .depth = 24, .heads = 16};
inline constexpr VisionTransformerShape H{
    .width = 1280, .depth = 32, .heads = 16, .patch = 14, .positions = 16};
} // namespace mae_shapes

/// Where the encoder lies in a file with these tensors: the authors' (under "model", with or
/// without the decoder), transformers' ViTMAEModel or ViTMAEForPreTraining, or timm's. Names of
/// nothing known count as the authors', so that a wrong file is refused with their list.
inline VisionTransformerNames mae_names_of(const std::vector<std::string>& names) {
  const auto has = [&](const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  if (has("vit.embeddings.cls_token")) {
    return {VisionTransformerLayout::transformers, "vit.", {}};
  }
  if (has("embeddings.cls_token")) {
    return {VisionTransformerLayout::transformers, "", {}};
  }
  const bool flat = has("cls_token") && !has("model.cls_token");
  return {VisionTransformerLayout::timm, flat ? "" : "model.", {"mask_token", "decoder_"}};
}

/// The authors' file of a size: "mae_pretrain_vit_large.pth".
inline std::string mae_file(const VisionTransformerShape& shape) {
  const char* size = shape.width == mae_shapes::B.width   ? "base"
                     : shape.width == mae_shapes::L.width ? "large"
                                                          : "huge";
  return std::string("mae_pretrain_vit_") + size + ".pth";
}

} // namespace d2c
