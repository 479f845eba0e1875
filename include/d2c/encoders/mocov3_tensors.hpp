#pragma once
/// The networks called MoCo v3: their sizes, and where their tensors lie in the published files.
/// Torch-free; holds no values.

#include <algorithm>
#include <string>
#include <vector>

#include <d2c/encoders/vision_transformer_tensors.hpp>

namespace d2c {

/// S and B are the authors' (S with twelve heads of 32), L is RCG's (Li et al. 2023).
namespace mocov3_shapes {
inline constexpr VisionTransformerShape S{.width = 384, .depth = 12, .heads = 12};
inline constexpr VisionTransformerShape B{.width = 768, .depth = 12, .heads = 12};
inline constexpr VisionTransformerShape L{.width = 1024, .depth = 24, .heads = 16};
} // namespace mocov3_shapes

/// Where the base encoder lies in a file with these tensors. A training checkpoint keeps two
/// networks and a predictor under "state_dict"; the base encoder is the one that REPA and the
/// authors' linear evaluation read, and its projection head is left out. Names of nothing known
/// count as the authors', so that a wrong file is refused with their list.
inline VisionTransformerNames mocov3_names_of(const std::vector<std::string>& names) {
  const auto has = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  VisionTransformerNames found{
      VisionTransformerLayout::timm, "state_dict.module.base_encoder.", {"head.", "fc."}};
  for (const char* prefix : {"module.base_encoder.", "state_dict.base_encoder.", "base_encoder.",
                             "state_dict.module.", "module.", "state_dict.", ""}) {
    if (!has(found.class_token()) && has(std::string(prefix) + "cls_token")) {
      found.prefix = prefix;
    }
  }
  found.misnumbered = has(found.prefix + "blocks.13.norm13.weight");
  return found;
}

/// The published file of a size: "vit-b-300ep.pth.tar" of the authors, "vitl.pth.tar" of RCG.
inline std::string mocov3_file(const VisionTransformerShape& shape) {
  return shape.width == mocov3_shapes::S.width   ? "vit-s-300ep.pth.tar"
         : shape.width == mocov3_shapes::B.width ? "vit-b-300ep.pth.tar"
                                                 : "vitl.pth.tar";
}

} // namespace d2c
