#pragma once
/// The networks called DINOv3 as lists of named tensors: their sizes, and under which names three
/// libraries publish the same weights. Torch-free; holds no values.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <d2c/models/named_shape.hpp>

namespace d2c {

/// A vision transformer of DINOv3 (Simeoni et al. 2025): patches of 16 pixels, four registers,
/// rotary positions, LayerScale, a GELU MLP or SwiGLU. No key has a bias.
struct DINOv3Shape {
  int width = 768;
  int depth = 12;
  int heads = 12;
  int ratio = 4; ///< inner width of the feed-forward in widths, of either kind
  bool swiglu = false;
  bool biases = true; ///< of queries and values

  static constexpr int patch = 16;
  static constexpr int registers = 4;

  [[nodiscard]] constexpr int head_width() const { return width / heads; }

  [[nodiscard]] constexpr int hidden() const { return ratio * width; }

  /// Multiplications and additions of one image with so many patches, twice the former.
  [[nodiscard]] constexpr double operations(int patches) const {
    const double tokens = 1.0 + registers + patches;
    const double block = 4.0 * width * width + (swiglu ? 3.0 : 2.0) * width * hidden();
    return 2 * tokens * depth * (block + 2 * tokens * width) +
           2.0 * patches * 3 * patch * patch * width;
  }

  friend constexpr bool operator==(const DINOv3Shape&, const DINOv3Shape&) = default;
};

/// The published sizes.
namespace dinov3_shapes {
inline constexpr DINOv3Shape S{.width = 384, .depth = 12, .heads = 6};
inline constexpr DINOv3Shape S_plus{.width = 384, .depth = 12, .heads = 6, .swiglu = true};
inline constexpr DINOv3Shape B{.width = 768, .depth = 12, .heads = 12};
inline constexpr DINOv3Shape L{.width = 1024, .depth = 24, .heads = 16};
inline constexpr DINOv3Shape H_plus{.width = 1280, .depth = 32, .heads = 20, .swiglu = true};
inline constexpr DINOv3Shape b7{
    .width = 4096, .depth = 40, .heads = 32, .ratio = 2, .swiglu = true, .biases = false};
} // namespace dinov3_shapes

/// Whose names a file uses: the authors' (PyTorch files), those of transformers' DINOv3ViTModel, or
/// timm's.
enum class DINOv3Layout { facebook, transformers, timm };

/// Where the parts of a network lie in a file.
struct DINOv3Names {
  DINOv3Layout layout = DINOv3Layout::facebook;
  std::string blocks = "blocks."; ///< before the number of a block
  /// Whether timm's file has the biases of queries and values: it publishes each network with them
  /// and, where they are zero, without.
  bool biases = true;

  [[nodiscard]] std::string class_token() const { return top("cls_token", "cls_token"); }

  [[nodiscard]] std::string mask_token() const { return top("mask_token", "mask_token"); }

  [[nodiscard]] std::string registers() const {
    return layout == DINOv3Layout::timm ? "reg_token" : top("storage_tokens", "register_tokens");
  }

  [[nodiscard]] std::string patches() const { return top("patch_embed.proj", "patch_embeddings"); }

  /// Of the rotary positions; in the authors' files alone.
  [[nodiscard]] static std::string periods() { return "rope_embed.periods"; }

  [[nodiscard]] std::string block(int index) const { return blocks + std::to_string(index) + "."; }

  /// The matrix of queries, keys and values, in three where the layout keeps them apart.
  [[nodiscard]] std::vector<std::string> qkv(int index) const {
    const std::string attention = attention_of(index);
    if (layout != DINOv3Layout::transformers) {
      return {attention + "qkv"};
    }
    return {attention + "q_proj", attention + "k_proj", attention + "v_proj"};
  }

  /// The biases of queries and of values, where the layout has none for keys: whole names.
  [[nodiscard]] std::pair<std::string, std::string> biases_of(int index) const {
    const std::string attention = attention_of(index);
    return layout == DINOv3Layout::timm
               ? std::pair{attention + "q_bias", attention + "v_bias"}
               : std::pair{attention + "q_proj.bias", attention + "v_proj.bias"};
  }

  [[nodiscard]] std::string attention_output(int index) const {
    return attention_of(index) + (layout == DINOv3Layout::transformers ? "o_proj" : "proj");
  }

  /// LayerScale of the attention (`branch` 1) or of the feed-forward (2); a whole name.
  [[nodiscard]] std::string scale(int index, int branch) const {
    const std::string number = std::to_string(branch);
    return block(index) + (layout == DINOv3Layout::transformers
                               ? "layer_scale" + number + ".lambda1"
                           : layout == DINOv3Layout::timm ? "gamma_" + number
                                                          : "ls" + number + ".gamma");
  }

  /// The matrices before the activation: of a gated one the activated rows first.
  [[nodiscard]] std::vector<std::string> feed_forward_in(int index, bool swiglu) const {
    const std::string mlp = block(index) + "mlp.";
    switch (layout) {
    case DINOv3Layout::facebook:
      return swiglu ? std::vector{mlp + "w1", mlp + "w2"} : std::vector{mlp + "fc1"};
    case DINOv3Layout::transformers:
      return swiglu ? std::vector{mlp + "gate_proj", mlp + "up_proj"}
                    : std::vector{mlp + "up_proj"};
    case DINOv3Layout::timm:
      break;
    }
    return swiglu ? std::vector{mlp + "fc1_g", mlp + "fc1_x"} : std::vector{mlp + "fc1"};
  }

  [[nodiscard]] std::string feed_forward_out(int index, bool swiglu) const {
    return block(index) + "mlp." +
           (layout == DINOv3Layout::transformers         ? "down_proj"
            : layout == DINOv3Layout::facebook && swiglu ? "w3"
                                                         : "fc2");
  }

  [[nodiscard]] static std::string last_norm() { return "norm"; }

private:
  [[nodiscard]] std::string attention_of(int index) const {
    return block(index) + (layout == DINOv3Layout::transformers ? "attention." : "attn.");
  }

  [[nodiscard]] std::string top(const char* plain, const char* of_transformers) const {
    return layout == DINOv3Layout::transformers ? std::string("embeddings.") + of_transformers
                                                : plain;
  }
};

/// Every tensor of the network under the names of a file. Inference does not read the mask token
/// nor the norm of local crops.
inline std::vector<NamedShape> dinov3_tensors(const DINOv3Shape& shape, const DINOv3Names& names) {
  const std::int64_t width = shape.width;
  const std::int64_t hidden = shape.hidden();
  const bool facebook = names.layout == DINOv3Layout::facebook;
  std::vector<NamedShape> list;
  list.push_back({names.class_token(), {1, 1, width}});
  list.push_back({names.registers(), {1, DINOv3Shape::registers, width}});
  if (facebook) {
    list.push_back({names.mask_token(), {1, width}, false});
    list.push_back({DINOv3Names::periods(), {shape.head_width() / 4}});
  } else if (names.layout == DINOv3Layout::transformers) {
    list.push_back({names.mask_token(), {1, 1, width}, false});
  }
  append_affine(list, names.patches(), {width, 3, DINOv3Shape::patch, DINOv3Shape::patch});
  for (int i = 0; i < shape.depth; ++i) {
    append_affine(list, names.block(i) + "norm1", {width});
    const std::vector<std::string> qkv = names.qkv(i);
    for (const std::string& rows : qkv) {
      list.push_back(
          {rows + ".weight", {3 * width / static_cast<std::int64_t>(qkv.size()), width}});
    }
    if (shape.biases && facebook) {
      list.push_back({qkv.front() + ".bias", {3 * width}});
      list.push_back({qkv.front() + ".bias_mask", {3 * width}});
    } else if (shape.biases && names.biases) {
      const auto [query, value] = names.biases_of(i);
      list.push_back({query, {width}});
      list.push_back({value, {width}});
    }
    append_affine(list, names.attention_output(i), {width, width});
    list.push_back({names.scale(i, 1), {width}});
    append_affine(list, names.block(i) + "norm2", {width});
    for (const std::string& rows : names.feed_forward_in(i, shape.swiglu)) {
      append_affine(list, rows, {hidden, width});
    }
    append_affine(list, names.feed_forward_out(i, shape.swiglu), {width, hidden});
    list.push_back({names.scale(i, 2), {width}});
  }
  append_affine(list, DINOv3Names::last_norm(), {width});
  if (facebook) {
    list.push_back({"local_cls_norm.weight", {width}, false});
    list.push_back({"local_cls_norm.bias", {width}, false});
  }
  return list;
}

/// Whose names these are, told by the registers. Names of nothing known count as the authors', so
/// that a wrong file is refused with their list.
inline DINOv3Names dinov3_names_of(const std::vector<std::string>& names) {
  DINOv3Names found;
  bool biases = false;
  for (const std::string& name : names) {
    if (name == "reg_token") {
      found.layout = DINOv3Layout::timm;
    } else if (name == "embeddings.register_tokens") {
      found.layout = DINOv3Layout::transformers;
      found.blocks = "layer.";
    }
    biases = biases || name.ends_with(".attn.q_bias") || name.ends_with(".attn.v_bias");
  }
  if (found.layout == DINOv3Layout::transformers) {
    // So transformers 5 names the blocks in memory; its files keep the older names.
    for (const std::string& name : names) {
      if (name.starts_with("model.layer.")) {
        found.blocks = "model.layer.";
      }
    }
  }
  found.biases = found.layout != DINOv3Layout::timm || biases;
  return found;
}

/// The authors' file of a size, its name ends with a part of its hash:
/// "dinov3_vitb16_pretrain_lvd1689m-*.pth".
inline std::string dinov3_file(const DINOv3Shape& shape) {
  using namespace dinov3_shapes;
  const char* name = shape.width == S.width        ? (shape.swiglu ? "s16plus" : "s16")
                     : shape.width == B.width      ? "b16"
                     : shape.width == L.width      ? "l16"
                     : shape.width == H_plus.width ? "h16plus"
                                                   : "7b16";
  return std::string("dinov3_vit") + name + "_pretrain_lvd1689m-*.pth";
}

} // namespace d2c
