#pragma once
/// The network called MAE: its size, and where its tensors lie in the published files. Torch-free;
/// holds no values.

#include <algorithm>
#include <string>
#include <vector>

#include <d2c/encoders/vision_transformer_tensors.hpp>

namespace d2c {

/// ViT-L/16, the size that REPA knows.
inline constexpr VisionTransformerShape mae_shape_L{.width = 1024, .depth = 24, .heads = 16};

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

} // namespace d2c
