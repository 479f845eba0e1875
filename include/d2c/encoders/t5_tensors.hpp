#pragma once
/// The encoders of T5 as lists of named tensors: their sizes and the names of the published files.
/// Torch-free; holds no values.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/models/named_shape.hpp>

namespace d2c {

/// An encoder of T5 (Raffel et al. 2020) or T5 1.1 (`gated`: GEGLU of Shazeer 2020 instead of
/// ReLU). The heads together need not be as wide as the tokens.
struct T5Shape {
  int width = 2048;
  int key_width = 64; ///< of one head
  int hidden = 5120;  ///< of the feed-forward
  int heads = 32;
  int layers = 24;
  bool gated = true;
  int vocabulary = 32128; ///< rows: 32 000 pieces, 100 sentinels, 28 for padding

  static constexpr int buckets = 32;

  [[nodiscard]] constexpr int inner() const { return heads * key_width; }

  friend constexpr bool operator==(const T5Shape&, const T5Shape&) = default;
};

/// The published sizes of 1.0 and of 1.1. Flan-T5 has the shapes of 1.1.
namespace t5_shapes {
inline constexpr T5Shape small{512, 64, 2048, 8, 6, false};
inline constexpr T5Shape base{768, 64, 3072, 12, 12, false};
inline constexpr T5Shape large{1024, 64, 4096, 16, 24, false};
inline constexpr T5Shape b3{1024, 128, 16384, 32, 24, false};
inline constexpr T5Shape b11{1024, 128, 65536, 128, 24, false};
inline constexpr T5Shape v11_small{512, 64, 1024, 6, 8, true};
inline constexpr T5Shape v11_base{768, 64, 2048, 12, 12, true};
inline constexpr T5Shape v11_large{1024, 64, 2816, 16, 24, true};
inline constexpr T5Shape v11_xl{2048, 64, 5120, 32, 24, true};
inline constexpr T5Shape v11_xxl{4096, 64, 10240, 64, 24, true};
} // namespace t5_shapes

/// The bucket of the learned bias for a key `distance` places behind its query (before it where
/// negative): eight single places and eight growing ranges on each side.
[[nodiscard]] constexpr int t5_bucket(std::int64_t distance) {
  // Where trunc(8 + 8 ln(n / 8) / ln(16)) rises; the last range has no end.
  constexpr std::array<std::int64_t, 7> rises = {12, 16, 23, 32, 46, 64, 91};
  const std::int64_t far = distance < 0 ? -distance : distance;
  const int side = distance > 0 ? T5Shape::buckets / 2 : 0;
  if (far < 8) {
    return side + static_cast<int>(far);
  }
  int bucket = 8;
  for (const std::int64_t rise : rises) {
    bucket += far >= rise ? 1 : 0;
  }
  return side + bucket;
}

/// Names of transformers' T5EncoderModel, as all files of T5 and Flan-T5 use them.
struct T5Names {
  static constexpr std::string_view embedding = "shared.weight";
  /// The same tensor once more, or alone.
  static constexpr std::string_view embedding_alias = "encoder.embed_tokens.weight";
  /// Once more in a whole model; some converters kept this one of the three.
  static constexpr std::string_view embedding_of_decoder = "decoder.embed_tokens.weight";
  static constexpr std::string_view last_norm = "encoder.final_layer_norm.weight";
  static constexpr std::string_view position_bias =
      "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";

  /// What stands before the names of the attention (`part` 0) or of the feed-forward (1).
  [[nodiscard]] static std::string layer(int block, int part) {
    return "encoder.block." + std::to_string(block) + ".layer." + std::to_string(part) + ".";
  }

  [[nodiscard]] static std::string norm(int block, int part) {
    return layer(block, part) + "layer_norm.weight";
  }

  /// `matrix`: 'q', 'k', 'v' or 'o'.
  [[nodiscard]] static std::string attention(int block, char matrix) {
    return layer(block, 0) + "SelfAttention." + matrix + ".weight";
  }

  /// `matrix`: "wi" (1.0), "wi_0" and "wi_1" (1.1) or "wo".
  [[nodiscard]] static std::string feed_forward(int block, std::string_view matrix) {
    return layer(block, 1) + "DenseReluDense." + std::string(matrix) + ".weight";
  }

  /// Parts of the whole model that an encoder has no use for.
  [[nodiscard]] static bool of_decoder(std::string_view name) {
    return name.starts_with("decoder.") || name == "lm_head.weight";
  }
};

/// Every tensor of the encoder, the embedding once.
inline std::vector<NamedShape> t5_tensors(const T5Shape& shape) {
  const std::int64_t width = shape.width;
  const std::int64_t inner = shape.inner();
  const std::int64_t hidden = shape.hidden;
  std::vector<NamedShape> list;
  const auto add = [&](std::string name, std::vector<std::int64_t> extents) {
    list.push_back({std::move(name), std::move(extents)});
  };
  add(std::string(T5Names::embedding), {shape.vocabulary, width});
  for (int i = 0; i < shape.layers; ++i) {
    for (const char matrix : {'q', 'k', 'v'}) {
      add(T5Names::attention(i, matrix), {inner, width});
    }
    add(T5Names::attention(i, 'o'), {width, inner});
    if (i == 0) {
      add(std::string(T5Names::position_bias), {T5Shape::buckets, shape.heads});
    }
    add(T5Names::norm(i, 0), {width});
    if (shape.gated) {
      add(T5Names::feed_forward(i, "wi_0"), {hidden, width});
      add(T5Names::feed_forward(i, "wi_1"), {hidden, width});
    } else {
      add(T5Names::feed_forward(i, "wi"), {hidden, width});
    }
    add(T5Names::feed_forward(i, "wo"), {width, hidden});
    add(T5Names::norm(i, 1), {width});
  }
  add(std::string(T5Names::last_norm), {width});
  return list;
}

} // namespace d2c
