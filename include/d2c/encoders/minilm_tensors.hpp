#pragma once
/// The network called MiniLM as a list of named tensors: its sizes and the names of the published
/// files. Torch-free; holds no values.

#include <cstdint>
#include <string>
#include <vector>

#include <d2c/models/named_shape.hpp>

namespace d2c {

/// all-MiniLM-L6-v2, a BERT (Devlin et al. 2019).
struct MiniLMSizes {
  static constexpr std::int64_t layers = 6;
  static constexpr std::int64_t width = 384;
  static constexpr std::int64_t heads = 12;
  static constexpr std::int64_t hidden = 1536;
  static constexpr std::int64_t positions = 512;
  static constexpr std::int64_t vocabulary = 30522;
};

/// Names of transformers' BertModel, as all files of MiniLM use them; ".weight" and ".bias" follow
/// those of linear maps and norms.
struct MiniLMNames {
  static constexpr const char* words = "embeddings.word_embeddings.weight";
  static constexpr const char* places = "embeddings.position_embeddings.weight";
  static constexpr const char* types = "embeddings.token_type_embeddings.weight";
  static constexpr const char* first_norm = "embeddings.LayerNorm";

  /// `part`: "query", "key" or "value".
  [[nodiscard]] static std::string attention(std::int64_t layer, const char* part) {
    return prefix(layer) + "attention.self." + part;
  }

  [[nodiscard]] static std::string attention_output(std::int64_t layer) {
    return prefix(layer) + "attention.output.dense";
  }

  [[nodiscard]] static std::string attention_norm(std::int64_t layer) {
    return prefix(layer) + "attention.output.LayerNorm";
  }

  [[nodiscard]] static std::string intermediate(std::int64_t layer) {
    return prefix(layer) + "intermediate.dense";
  }

  [[nodiscard]] static std::string output(std::int64_t layer) {
    return prefix(layer) + "output.dense";
  }

  [[nodiscard]] static std::string output_norm(std::int64_t layer) {
    return prefix(layer) + "output.LayerNorm";
  }

private:
  [[nodiscard]] static std::string prefix(std::int64_t layer) {
    return "encoder.layer." + std::to_string(layer) + ".";
  }
};

/// Every tensor of the network. The hidden states need no pooler, and the numbers of places say
/// nothing.
inline std::vector<NamedShape> minilm_tensors() {
  using Names = MiniLMNames;
  constexpr std::int64_t width = MiniLMSizes::width;
  constexpr std::int64_t hidden = MiniLMSizes::hidden;
  std::vector<NamedShape> list{{Names::words, {MiniLMSizes::vocabulary, width}},
                               {Names::places, {MiniLMSizes::positions, width}},
                               {Names::types, {2, width}},
                               {"embeddings.position_ids", {1, MiniLMSizes::positions}, false},
                               {"pooler.dense.weight", {width, width}, false},
                               {"pooler.dense.bias", {width}, false}};
  append_affine(list, Names::first_norm, {width});
  for (std::int64_t i = 0; i < MiniLMSizes::layers; ++i) {
    for (const char* part : {"query", "key", "value"}) {
      append_affine(list, Names::attention(i, part), {width, width});
    }
    append_affine(list, Names::attention_output(i), {width, width});
    append_affine(list, Names::attention_norm(i), {width});
    append_affine(list, Names::intermediate(i), {hidden, width});
    append_affine(list, Names::output(i), {width, hidden});
    append_affine(list, Names::output_norm(i), {width});
  }
  return list;
}

} // namespace d2c
