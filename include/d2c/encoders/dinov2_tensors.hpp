#pragma once
/// The networks called DINOv2 as lists of named tensors: their sizes, and under which names three
/// libraries publish the same weights. Torch-free; holds no values.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <d2c/models/named_shape.hpp>

namespace d2c {

/// A vision transformer of DINOv2 (Oquab et al. 2023; registers: Darcet et al. 2024) on patches of
/// 14 pixels. Heads are 64 wide; the feed-forward is a GELU MLP of four widths or, in g, SwiGLU.
struct DINOv2Shape {
  int width = 768;
  int depth = 12;
  int registers = 0;
  bool swiglu = false;
  int positions = 37; ///< side of the grid of learned positions (518 pixels)

  static constexpr int patch = 14;
  static constexpr int head_width = 64;

  [[nodiscard]] constexpr int heads() const { return width / head_width; }

  /// Inner width of the feed-forward; SwiGLU's is 2/3 of the MLP's, rounded up to eights.
  [[nodiscard]] constexpr int hidden() const {
    return swiglu ? (4 * width * 2 / 3 + 7) / 8 * 8 : 4 * width;
  }

  /// Multiplications and additions of one image with so many patches, twice the former.
  [[nodiscard]] constexpr double operations(int patches) const {
    const double tokens = 1.0 + registers + patches;
    const double block = 4.0 * width * width + (swiglu ? 3.0 : 2.0) * width * hidden();
    return 2 * tokens * depth * (block + 2 * tokens * width) +
           2.0 * patches * 3 * patch * patch * width;
  }

  friend constexpr bool operator==(const DINOv2Shape&, const DINOv2Shape&) = default;
};

/// The published sizes.
namespace dinov2_shapes {
inline constexpr DINOv2Shape S{.width = 384, .depth = 12};
inline constexpr DINOv2Shape B{.width = 768, .depth = 12};
inline constexpr DINOv2Shape L{.width = 1024, .depth = 24};
inline constexpr DINOv2Shape g{.width = 1536, .depth = 40, .swiglu = true};

constexpr DINOv2Shape with_registers(DINOv2Shape shape) {
  shape.registers = 4;
  return shape;
}
} // namespace dinov2_shapes

/// Whose names a file uses: the authors' (PyTorch files), those of transformers' Dinov2Model and
/// Dinov2WithRegistersModel, or timm's.
enum class DINOv2Layout { facebook, transformers, timm };

/// The names of one linear map or norm without ".weight" and ".bias": several where the layout
/// keeps rows of one matrix apart (transformers: query, key and value).
using DINOv2Rows = std::vector<std::string>;

/// Where the parts of a network lie in a layout, all names behind `prefix` ("dinov2." in files of a
/// model with a head).
struct DINOv2Names {
  DINOv2Layout layout = DINOv2Layout::facebook;
  std::string prefix;

  [[nodiscard]] std::string class_token() const { return top("cls_token", "embeddings.cls_token"); }

  [[nodiscard]] std::string mask_token() const {
    return top("mask_token", "embeddings.mask_token");
  }

  [[nodiscard]] std::string positions() const {
    return top("pos_embed", "embeddings.position_embeddings");
  }

  [[nodiscard]] std::string registers() const {
    return layout == DINOv2Layout::timm ? prefix + "reg_token"
                                        : top("register_tokens", "embeddings.register_tokens");
  }

  [[nodiscard]] std::string patches() const {
    return top("patch_embed.proj", "embeddings.patch_embeddings.projection");
  }

  [[nodiscard]] std::string last_norm() const { return top("norm", "layernorm"); }

  [[nodiscard]] std::string block(int index) const {
    return top("blocks.", "encoder.layer.") + std::to_string(index) + ".";
  }

  [[nodiscard]] DINOv2Rows qkv(int index) const {
    if (layout != DINOv2Layout::transformers) {
      return {block(index) + "attn.qkv"};
    }
    const std::string attention = block(index) + "attention.attention.";
    return {attention + "query", attention + "key", attention + "value"};
  }

  [[nodiscard]] std::string attention_output(int index) const {
    return block(index) +
           (layout == DINOv2Layout::transformers ? "attention.output.dense" : "attn.proj");
  }

  /// LayerScale of the attention (`branch` 1) or of the feed-forward (2); a whole name.
  [[nodiscard]] std::string scale(int index, int branch) const {
    const std::string number = std::to_string(branch);
    return block(index) + (layout == DINOv2Layout::transformers
                               ? "layer_scale" + number + ".lambda1"
                               : "ls" + number + ".gamma");
  }

  /// The first and the second matrix of the feed-forward.
  [[nodiscard]] std::pair<std::string, std::string> feed_forward(int index, bool swiglu) const {
    const std::string mlp = block(index) + "mlp.";
    if (!swiglu || layout == DINOv2Layout::timm) {
      return {mlp + "fc1", mlp + "fc2"};
    }
    return layout == DINOv2Layout::transformers ? std::pair{mlp + "weights_in", mlp + "weights_out"}
                                                : std::pair{mlp + "w12", mlp + "w3"};
  }

private:
  [[nodiscard]] std::string top(const char* plain, const char* of_transformers) const {
    return prefix + (layout == DINOv2Layout::transformers ? of_transformers : plain);
  }
};

/// Every tensor of the network under the names of a layout; inference does not read the mask token.
/// timm has added the class token's
/// position to the class token where there are registers, and keeps no mask token.
inline std::vector<NamedShape> dinov2_tensors(const DINOv2Shape& shape, const DINOv2Names& names) {
  const std::int64_t width = shape.width;
  const std::int64_t hidden = shape.hidden();
  const std::int64_t inner = shape.swiglu ? 2 * hidden : hidden;
  const bool timm = names.layout == DINOv2Layout::timm;
  const std::int64_t places = static_cast<std::int64_t>(shape.positions) * shape.positions;
  std::vector<NamedShape> list;
  list.push_back({names.class_token(), {1, 1, width}});
  list.push_back({names.positions(), {1, places + (timm && shape.registers > 0 ? 0 : 1), width}});
  if (!timm) {
    list.push_back({names.mask_token(), {1, width}, false});
  }
  if (shape.registers > 0) {
    list.push_back({names.registers(), {1, shape.registers, width}});
  }
  append_affine(list, names.patches(), {width, 3, DINOv2Shape::patch, DINOv2Shape::patch});
  for (int i = 0; i < shape.depth; ++i) {
    append_affine(list, names.block(i) + "norm1", {width});
    const DINOv2Rows qkv = names.qkv(i);
    for (const std::string& rows : qkv) {
      append_affine(list, rows, {3 * width / static_cast<std::int64_t>(qkv.size()), width});
    }
    append_affine(list, names.attention_output(i), {width, width});
    list.push_back({names.scale(i, 1), {width}});
    append_affine(list, names.block(i) + "norm2", {width});
    const auto [first, second] = names.feed_forward(i, shape.swiglu);
    append_affine(list, first, {inner, width});
    append_affine(list, second, {width, hidden});
    list.push_back({names.scale(i, 2), {width}});
  }
  append_affine(list, names.last_norm(), {width});
  return list;
}

/// Whose names these are, told by the tensors that differ. Names of nothing known count as the
/// authors', so that a wrong file is refused with their list.
inline DINOv2Names dinov2_names_of(const std::vector<std::string>& names) {
  bool registers_of_timm = false;
  bool mask = false;
  bool packed = false;
  for (const std::string& name : names) {
    for (const char* prefix : {"", "dinov2.", "dinov2_with_registers."}) {
      if (name == std::string(prefix) + "embeddings.cls_token") {
        return {DINOv2Layout::transformers, prefix};
      }
    }
    registers_of_timm = registers_of_timm || name == "reg_token";
    mask = mask || name == "mask_token" || name == "register_tokens";
    packed = packed || name == "blocks.0.mlp.w12.weight";
  }
  // Without registers, SwiGLU and the mask token both are the same.
  const bool timm = registers_of_timm || (!mask && !packed);
  bool known = false;
  for (const std::string& name : names) {
    known = known || name == "cls_token";
  }
  return {timm && known ? DINOv2Layout::timm : DINOv2Layout::facebook, ""};
}

/// The authors' file of a size: "dinov2_vitb14_pretrain.pth".
inline std::string dinov2_file(const DINOv2Shape& shape) {
  const char* letter = shape.width == dinov2_shapes::S.width   ? "s"
                       : shape.width == dinov2_shapes::B.width ? "b"
                       : shape.width == dinov2_shapes::L.width ? "l"
                                                               : "g";
  return std::string("dinov2_vit") + letter + "14" + (shape.registers > 0 ? "_reg4" : "") +
         "_pretrain.pth";
}

} // namespace d2c
