#pragma once
/// The vision towers of SigLIP as lists of named tensors: their sizes and the names of the
/// published files. Torch-free; holds no values.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/models/named_shape.hpp>

namespace d2c {

/// A vision tower of SigLIP (Zhai et al. 2023) or SigLIP 2: a vision transformer without class
/// token, whose patches a head pools by attention.
struct SigLIPShape {
  int width = 768;
  int depth = 12;
  int heads = 12;
  int hidden = 3072; ///< of the feed-forward
  int patch = 16;
  int positions = 16; ///< side of the grid of learned positions

  /// Multiplications and additions of one image with so many patches, twice the former.
  [[nodiscard]] constexpr double operations(int patches) const {
    const double tokens = patches;
    const double block = 4.0 * width * width + 2.0 * width * hidden;
    return 2 * tokens *
           (depth * (block + 2 * tokens * width) + 3.0 * patch * patch * width +
            2.0 * width * width);
  }

  friend constexpr bool operator==(const SigLIPShape&, const SigLIPShape&) = default;
};

/// Published sizes whose grid is 16 x 16: at 256 pixels, and so400m at 224. The other resolutions
/// differ in `positions`.
namespace siglip_shapes {
inline constexpr SigLIPShape B16{768, 12, 12, 3072, 16, 16};
inline constexpr SigLIPShape L16{1024, 24, 16, 4096, 16, 16};
inline constexpr SigLIPShape So400m14{1152, 27, 16, 4304, 14, 16};
} // namespace siglip_shapes

/// Where the parts of a tower lie in a file of transformers or timm, all names behind `prefix`.
struct SigLIPNames : CLIPBlockNames {
  [[nodiscard]] CLIPAffine patches() const {
    return part("embeddings.patch_embedding", "patch_embed.proj");
  }

  [[nodiscard]] std::string positions() const {
    return prefix + of("", "embeddings.position_embedding.weight", "pos_embed");
  }

  /// Numbers that older files of transformers keep; they say nothing.
  [[nodiscard]] std::string position_ids() const { return prefix + "embeddings.position_ids"; }

  [[nodiscard]] CLIPAffine last_norm() const { return part("post_layernorm", "norm"); }

  /// The query of the head, its attention and its feed-forward.
  [[nodiscard]] std::string probe() const {
    return prefix + of("", "head.probe", "attn_pool.latent");
  }

  /// Query, key and value of the head: one matrix, or two where the layout keeps the query apart.
  [[nodiscard]] std::vector<CLIPAffine> head_qkv() const {
    if (layout == CLIPLayout::timm) {
      return {affine(prefix + "attn_pool.q"), affine(prefix + "attn_pool.kv")};
    }
    return {{prefix + "head.attention.in_proj_weight", prefix + "head.attention.in_proj_bias"}};
  }

  [[nodiscard]] CLIPAffine head_output() const {
    return part("head.attention.out_proj", "attn_pool.proj");
  }

  [[nodiscard]] CLIPAffine head_norm() const { return part("head.layernorm", "attn_pool.norm"); }

  [[nodiscard]] CLIPAffine head_feed_forward(int which) const {
    return which == 1 ? part("head.mlp.fc1", "attn_pool.mlp.fc1")
                      : part("head.mlp.fc2", "attn_pool.mlp.fc2");
  }

private:
  [[nodiscard]] CLIPAffine part(const char* of_transformers, const char* of_timm) const {
    return affine(prefix + of("", of_transformers, of_timm));
  }
};

/// Every tensor of a tower.
inline std::vector<NamedShape> siglip_tensors(const SigLIPShape& shape, const SigLIPNames& names) {
  const std::int64_t width = shape.width;
  const std::int64_t places = static_cast<std::int64_t>(shape.positions) * shape.positions;
  std::vector<NamedShape> list;
  if (names.layout == CLIPLayout::timm) {
    list.push_back({names.positions(), {1, places, width}});
  } else {
    list.push_back({names.positions(), {places, width}});
    list.push_back({names.position_ids(), {1, places}, false});
  }
  append_tensors(list, names.patches(), {width, 3, shape.patch, shape.patch});
  append_block_tensors(list, names, shape.depth, width, shape.hidden);
  append_tensors(list, names.last_norm(), {width});
  list.push_back({names.probe(), {1, 1, width}});
  const std::vector<CLIPAffine> qkv = names.head_qkv();
  append_tensors(list, qkv.front(), {qkv.size() == 1 ? 3 * width : width, width});
  if (qkv.size() == 2) {
    append_tensors(list, qkv.back(), {2 * width, width});
  }
  append_tensors(list, names.head_output(), {width, width});
  append_tensors(list, names.head_norm(), {width});
  append_tensors(list, names.head_feed_forward(1), {shape.hidden, width});
  append_tensors(list, names.head_feed_forward(2), {width, shape.hidden});
  return list;
}

/// Where the tower lies in a file with these tensors; names of nothing known count as those of a
/// whole model of transformers, so that a wrong file is refused with their list.
inline SigLIPNames siglip_names_of(const std::vector<std::string>& names) {
  for (const CLIPLayout layout : {CLIPLayout::transformers, CLIPLayout::timm}) {
    const SigLIPNames alone{{layout, ""}};
    if (std::find(names.begin(), names.end(), alone.positions()) != names.end()) {
      return alone;
    }
  }
  return {{CLIPLayout::transformers, "vision_model."}};
}

} // namespace d2c
