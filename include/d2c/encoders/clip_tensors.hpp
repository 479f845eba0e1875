#pragma once
/// The two towers of CLIP as lists of named tensors: their sizes, and under which names the authors
/// and transformers publish the same weights. Torch-free; holds no values.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/models/named_shape.hpp>

namespace d2c {

/// A vision tower of CLIP (Radford et al. 2021): a vision transformer with a norm before its
/// blocks, whose class token is projected into the space of the texts.
struct CLIPShape {
  int width = 1024;
  int depth = 24;
  int heads = 16;
  int patch = 14;
  int positions = 16;     ///< side of the grid of learned positions
  int projection = 768;   ///< width of the common space
  bool quick_gelu = true; ///< x sigmoid(1.702 x), else the exact GELU (most of OpenCLIP)

  /// Multiplications and additions of one image with so many patches, twice the former.
  [[nodiscard]] constexpr double operations(int patches) const {
    const double tokens = 1.0 + patches;
    return 2 * tokens * depth * (12.0 * width * width + 2 * tokens * width) +
           2.0 * patches * 3 * patch * patch * width;
  }

  friend constexpr bool operator==(const CLIPShape&, const CLIPShape&) = default;
};

/// A text tower of CLIP: a causal transformer over the pieces of one prompt.
struct CLIPTextShape {
  int width = 768;
  int depth = 12;
  int heads = 12;
  int vocabulary = 49408;
  int projection = 768;
  bool quick_gelu = true;

  static constexpr int context = 77; ///< pieces of a prompt, both ends included

  friend constexpr bool operator==(const CLIPTextShape&, const CLIPTextShape&) = default;
};

/// The authors' sizes; H14 is OpenCLIP's (LAION-2B).
namespace clip_shapes {
inline constexpr CLIPShape B32{768, 12, 12, 32, 7, 512, true};
inline constexpr CLIPShape B16{768, 12, 12, 16, 14, 512, true};
inline constexpr CLIPShape L14{1024, 24, 16, 14, 16, 768, true};
inline constexpr CLIPShape L14_336{1024, 24, 16, 14, 24, 768, true};
inline constexpr CLIPShape H14{1280, 32, 16, 14, 16, 1024, false};
inline constexpr CLIPTextShape text_B{512, 12, 8, 49408, 512, true};
inline constexpr CLIPTextShape text_L{768, 12, 12, 49408, 768, true};
inline constexpr CLIPTextShape text_H{1024, 24, 16, 49408, 1024, false};
} // namespace clip_shapes

/// Where a tower is published, the common file first.
inline std::string clip_file(const CLIPShape& shape) {
  using namespace clip_shapes;
  return std::string(shape == B32       ? "ViT-B-32.pt (OpenAI), or "
                     : shape == B16     ? "ViT-B-16.pt (OpenAI), or "
                     : shape == L14     ? "ViT-L-14.pt (OpenAI), or "
                     : shape == L14_336 ? "ViT-L-14-336px.pt (OpenAI), or "
                     : shape == H14     ? "open_clip_pytorch_model.bin (OpenCLIP ViT-H-14), or "
                                        : "") +
         "model.safetensors";
}

inline std::string clip_file(const CLIPTextShape& shape) {
  using namespace clip_shapes;
  return shape == text_B   ? "ViT-B-32.pt or ViT-B-16.pt (OpenAI), or model.safetensors"
         : shape == text_L ? clip_file(L14)
         : shape == text_H ? clip_file(H14)
                           : "model.safetensors";
}

/// Whose names a file uses: the authors' (OpenCLIP's are the same), transformers' or, of SigLIP's
/// towers alone, timm's.
enum class CLIPLayout { openai, transformers, timm };

/// The names of one linear map or norm.
struct CLIPAffine {
  std::string weight;
  std::string bias;
};

/// Where the blocks of a tower lie in a layout, all names behind `prefix`. SigLIP's have the names
/// of transformers' CLIP.
struct CLIPBlockNames {
  CLIPLayout layout = CLIPLayout::openai;
  std::string prefix;

  /// The norm before the attention (`branch` 1) or before the feed-forward (2).
  [[nodiscard]] CLIPAffine norm(int index, int branch) const {
    return affine(block(index) + of("ln_", "layer_norm", "norm") + std::to_string(branch));
  }

  /// Query, key and value: one matrix, or three where the layout keeps its rows apart.
  [[nodiscard]] std::vector<CLIPAffine> qkv(int index) const {
    if (layout == CLIPLayout::openai) {
      return {{block(index) + "attn.in_proj_weight", block(index) + "attn.in_proj_bias"}};
    }
    if (layout == CLIPLayout::timm) {
      return {affine(block(index) + "attn.qkv")};
    }
    const std::string attention = block(index) + "self_attn.";
    return {affine(attention + "q_proj"), affine(attention + "k_proj"),
            affine(attention + "v_proj")};
  }

  [[nodiscard]] CLIPAffine attention_output(int index) const {
    return affine(block(index) + of("attn.out_proj", "self_attn.out_proj", "attn.proj"));
  }

  /// The first (1) or the second (2) matrix of the feed-forward.
  [[nodiscard]] CLIPAffine feed_forward(int index, int which) const {
    return affine(block(index) + (which == 1 ? of("mlp.c_fc", "mlp.fc1", "mlp.fc1")
                                             : of("mlp.c_proj", "mlp.fc2", "mlp.fc2")));
  }

  [[nodiscard]] static CLIPAffine affine(const std::string& name) {
    return {name + ".weight", name + ".bias"};
  }

protected:
  [[nodiscard]] std::string of(const char* openai, const char* transformers,
                               const char* timm = "") const {
    return layout == CLIPLayout::openai         ? openai
           : layout == CLIPLayout::transformers ? transformers
                                                : timm;
  }

private:
  [[nodiscard]] std::string block(int index) const {
    return prefix + of("transformer.resblocks.", "encoder.layers.", "blocks.") +
           std::to_string(index) + ".";
  }
};

/// The same with what a vision tower has around its blocks.
struct CLIPNames : CLIPBlockNames {
  [[nodiscard]] std::string class_token() const {
    return prefix + of("class_embedding", "embeddings.class_embedding");
  }

  [[nodiscard]] std::string positions() const {
    return prefix + of("positional_embedding", "embeddings.position_embedding.weight");
  }

  /// Numbers that older files of transformers keep; they say nothing.
  [[nodiscard]] std::string position_ids() const { return prefix + "embeddings.position_ids"; }

  [[nodiscard]] std::string patches() const {
    return prefix + of("conv1.weight", "embeddings.patch_embedding.weight");
  }

  [[nodiscard]] CLIPAffine first_norm() const { // spelled so in the published files
    return affine(prefix + of("ln_pre", "pre_layrnorm"));
  }

  [[nodiscard]] CLIPAffine last_norm() const {
    return affine(prefix + of("ln_post", "post_layernorm"));
  }

  /// [width, projection] in the authors' files, transposed in those of transformers.
  [[nodiscard]] std::string projection() const {
    return layout == CLIPLayout::openai ? prefix + "proj" : "visual_projection.weight";
  }
};

/// The same with what a text tower has around its blocks.
struct CLIPTextNames : CLIPBlockNames {
  [[nodiscard]] std::string words() const {
    return prefix + of("token_embedding.weight", "embeddings.token_embedding.weight");
  }

  [[nodiscard]] std::string positions() const {
    return prefix + of("positional_embedding", "embeddings.position_embedding.weight");
  }

  [[nodiscard]] std::string position_ids() const { return prefix + "embeddings.position_ids"; }

  [[nodiscard]] CLIPAffine last_norm() const {
    return affine(prefix + of("ln_final", "final_layer_norm"));
  }

  [[nodiscard]] std::string projection() const {
    return layout == CLIPLayout::openai ? prefix + "text_projection" : "text_projection.weight";
  }

  /// Whether a tensor of a file claims a place in this tower. The authors' files hold the vision
  /// tower and a few numbers beside the text tower, which has no prefix there.
  [[nodiscard]] bool claims(std::string_view name) const {
    return name.starts_with(prefix) &&
           (layout == CLIPLayout::transformers ||
            !(name.starts_with("visual.") || name == "logit_scale" || name == "input_resolution" ||
              name == "context_length" || name == "vocab_size"));
  }
};

/// A linear map or norm with these names.
inline void append_tensors(std::vector<NamedShape>& list, const CLIPAffine& names,
                           std::vector<std::int64_t> weight) {
  append_affine(list, names.weight, names.bias, std::move(weight));
}

/// Every tensor of the blocks of a tower.
inline void append_block_tensors(std::vector<NamedShape>& list, const CLIPBlockNames& names,
                                 int depth, std::int64_t width, std::int64_t hidden) {
  for (int i = 0; i < depth; ++i) {
    append_tensors(list, names.norm(i, 1), {width});
    const std::vector<CLIPAffine> qkv = names.qkv(i);
    for (const CLIPAffine& rows : qkv) {
      append_tensors(list, rows, {3 * width / static_cast<std::int64_t>(qkv.size()), width});
    }
    append_tensors(list, names.attention_output(i), {width, width});
    append_tensors(list, names.norm(i, 2), {width});
    append_tensors(list, names.feed_forward(i, 1), {hidden, width});
    append_tensors(list, names.feed_forward(i, 2), {width, hidden});
  }
}

/// Every tensor of a vision tower under the names of a layout. The encoder does not read the
/// projection.
inline std::vector<NamedShape> clip_tensors(const CLIPShape& shape, const CLIPNames& names) {
  const std::int64_t width = shape.width;
  const std::int64_t places = 1 + static_cast<std::int64_t>(shape.positions) * shape.positions;
  std::vector<NamedShape> list{{names.class_token(), {width}},
                               {names.positions(), {places, width}},
                               {names.patches(), {width, 3, shape.patch, shape.patch}}};
  append_tensors(list, names.first_norm(), {width});
  append_block_tensors(list, names, shape.depth, width, 4 * width);
  append_tensors(list, names.last_norm(), {width});
  if (names.layout == CLIPLayout::openai) {
    list.push_back({names.projection(), {width, shape.projection}, false});
  } else {
    list.push_back({names.projection(), {shape.projection, width}, false});
    list.push_back({names.position_ids(), {1, places}, false});
  }
  return list;
}

/// Every tensor of a text tower under the names of a layout. The encoder does not read the
/// projection.
inline std::vector<NamedShape> clip_text_tensors(const CLIPTextShape& shape,
                                                 const CLIPTextNames& names) {
  const std::int64_t width = shape.width;
  std::vector<NamedShape> list{{names.words(), {shape.vocabulary, width}},
                               {names.positions(), {CLIPTextShape::context, width}}};
  append_block_tensors(list, names, shape.depth, width, 4 * width);
  append_tensors(list, names.last_norm(), {width});
  if (names.layout == CLIPLayout::openai) {
    list.push_back({names.projection(), {width, shape.projection}, false});
  } else {
    list.push_back({names.projection(), {shape.projection, width}, false});
    list.push_back({names.position_ids(), {1, CLIPTextShape::context}, false});
  }
  return list;
}

/// Where the vision tower lies in a file with these tensors. Names of nothing known count as the
/// authors', so that a wrong file is refused with their list.
inline CLIPNames clip_names_of(const std::vector<std::string>& names) {
  for (const char* prefix : {"vision_model.", ""}) {
    const CLIPNames found{{CLIPLayout::transformers, prefix}};
    if (std::find(names.begin(), names.end(), found.class_token()) != names.end()) {
      return found;
    }
  }
  return {{CLIPLayout::openai, "visual."}};
}

/// The same of the text tower.
inline CLIPTextNames clip_text_names_of(const std::vector<std::string>& names) {
  for (const char* prefix : {"text_model.", ""}) {
    const CLIPTextNames found{{CLIPLayout::transformers, prefix}};
    if (std::find(names.begin(), names.end(), found.words()) != names.end()) {
      return found;
    }
  }
  return {{CLIPLayout::openai, ""}};
}

} // namespace d2c
