#pragma once
/// The plain vision transformers (no LayerScale, no registers) as lists of named tensors.
/// Torch-free; holds no values.

#include <cstdint>
#include <string>
#include <vector>

#include <d2c/models/named_shape.hpp>

namespace d2c {

/// A vision transformer (Dosovitskiy et al. 2021) with a class token, biases everywhere and a GELU
/// MLP of four widths.
struct VisionTransformerShape {
  int width = 768;
  int depth = 12;
  int heads = 12;
  int patch = 16;
  int positions = 14; ///< side of the grid that the stored positions belong to (224 pixels)

  /// Multiplications and additions of one image with so many patches, twice the former.
  [[nodiscard]] constexpr double operations(int patches) const {
    const double tokens = 1.0 + patches;
    return 2 * tokens * depth * (12.0 * width * width + 2 * tokens * width) +
           2.0 * patches * 3 * patch * patch * width;
  }

  friend constexpr bool operator==(const VisionTransformerShape&,
                                   const VisionTransformerShape&) = default;
};

/// Whose names a file uses: timm's, which the authors of MAE and MoCo v3 took over, or those of
/// transformers' ViTMAEModel.
enum class VisionTransformerLayout { timm, transformers };

/// Where the parts of a network lie in a file, all names behind `prefix`.
struct VisionTransformerNames {
  VisionTransformerLayout layout = VisionTransformerLayout::timm;
  std::string prefix;
  /// Beginnings of names behind the prefix that belong to other networks (a decoder, a head).
  std::vector<std::string> foreign;
  /// MoCo v3's ViT-L was published with the number of a block in the place of the number of a
  /// layer: blocks.13.norm13, blocks.13.mlp.fc13, blocks.14.norm14, blocks.14.mlp.fc14.
  bool misnumbered = false;

  [[nodiscard]] std::string class_token() const { return top("cls_token", "embeddings.cls_token"); }

  [[nodiscard]] std::string positions() const {
    return top("pos_embed", "embeddings.position_embeddings");
  }

  [[nodiscard]] std::string patches() const {
    return top("patch_embed.proj", "embeddings.patch_embeddings.projection");
  }

  [[nodiscard]] std::string last_norm() const { return top("norm", "layernorm"); }

  /// The norm before the attention (`branch` 1) or before the MLP (2).
  [[nodiscard]] std::string norm(int index, int branch) const {
    if (layout == VisionTransformerLayout::transformers) {
      return block(index) + (branch == 1 ? "layernorm_before" : "layernorm_after");
    }
    return block(index) + "norm" + number(index, branch);
  }

  /// Several where the layout keeps the rows of query, key and value apart.
  [[nodiscard]] std::vector<std::string> qkv(int index) const {
    if (layout == VisionTransformerLayout::timm) {
      return {block(index) + "attn.qkv"};
    }
    const std::string attention = block(index) + "attention.attention.";
    return {attention + "query", attention + "key", attention + "value"};
  }

  [[nodiscard]] std::string attention_output(int index) const {
    return block(index) +
           (layout == VisionTransformerLayout::timm ? "attn.proj" : "attention.output.dense");
  }

  /// The first (1) or the second (2) matrix of the MLP.
  [[nodiscard]] std::string feed_forward(int index, int which) const {
    if (layout == VisionTransformerLayout::transformers) {
      return block(index) + (which == 1 ? "intermediate.dense" : "output.dense");
    }
    return block(index) + "mlp.fc" + number(index, which);
  }

  /// Whether a tensor of a file claims a place in this network.
  [[nodiscard]] bool claims(const std::string& name) const {
    if (!name.starts_with(prefix)) {
      return false;
    }
    for (const std::string& beginning : foreign) {
      if (name.compare(prefix.size(), beginning.size(), beginning) == 0) {
        return false;
      }
    }
    return true;
  }

private:
  [[nodiscard]] std::string top(const char* of_timm, const char* of_transformers) const {
    return prefix + (layout == VisionTransformerLayout::timm ? of_timm : of_transformers);
  }

  [[nodiscard]] std::string block(int index) const {
    return top("blocks.", "encoder.layer.") + std::to_string(index) + ".";
  }

  [[nodiscard]] std::string number(int index, int which) const {
    return std::to_string(misnumbered && index == 12 + which ? index : which);
  }
};

/// Every tensor of the network under the names of a file.
inline std::vector<NamedShape> vision_transformer_tensors(const VisionTransformerShape& shape,
                                                          const VisionTransformerNames& names) {
  const std::int64_t width = shape.width;
  const std::int64_t places = static_cast<std::int64_t>(shape.positions) * shape.positions;
  std::vector<NamedShape> list;
  list.push_back({names.class_token(), {1, 1, width}});
  list.push_back({names.positions(), {1, 1 + places, width}});
  append_affine(list, names.patches(), {width, 3, shape.patch, shape.patch});
  for (int i = 0; i < shape.depth; ++i) {
    append_affine(list, names.norm(i, 1), {width});
    const std::vector<std::string> qkv = names.qkv(i);
    for (const std::string& rows : qkv) {
      append_affine(list, rows, {3 * width / static_cast<std::int64_t>(qkv.size()), width});
    }
    append_affine(list, names.attention_output(i), {width, width});
    append_affine(list, names.norm(i, 2), {width});
    append_affine(list, names.feed_forward(i, 1), {4 * width, width});
    append_affine(list, names.feed_forward(i, 2), {width, 4 * width});
  }
  append_affine(list, names.last_norm(), {width});
  return list;
}

} // namespace d2c
