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
  const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    list.push_back({name + ".weight", {out, in}});
    list.push_back({name + ".bias", {out}});
  };
  const auto norm = [&](const std::string& name) {
    list.push_back({name + ".weight", {width}});
    list.push_back({name + ".bias", {width}});
  };
  norm(Names::first_norm);
  for (std::int64_t i = 0; i < MiniLMSizes::layers; ++i) {
    for (const char* part : {"query", "key", "value"}) {
      linear(Names::attention(i, part), width, width);
    }
    linear(Names::attention_output(i), width, width);
    norm(Names::attention_norm(i));
    linear(Names::intermediate(i), hidden, width);
    linear(Names::output(i), width, hidden);
    norm(Names::output_norm(i));
  }
  return list;
}

} // namespace d2c
