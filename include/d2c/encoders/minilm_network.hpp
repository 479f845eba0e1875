#pragma once
/// The network behind the tag MiniLM: BERT with 6 layers of width 384, and its tokenizer.

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/encoders/wordpiece.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// all-MiniLM-L6-v2 for inference (BERT of Devlin et al. 2019: learned positions, post-LayerNorm
/// with eps 1e-12, exact GELU, 12 heads). Follows transformers' BertModel without its pooler.
class MiniLMNetwork {
public:
  static constexpr std::int64_t layers = 6;
  static constexpr std::int64_t width = 384;
  static constexpr std::int64_t heads = 12;
  static constexpr std::int64_t hidden = 1536;
  static constexpr std::int64_t positions = 512;
  static constexpr std::int64_t vocabulary = 30522;

  /// `weights` under the names of the published file; `origin` is named in messages. Throws
  /// InputError if a tensor is missing or has another shape.
  MiniLMNetwork(const std::map<std::string, Tensor>& weights, const std::string& origin,
                at::Device device = at::kCPU) {
    const auto take = [&](const std::string& name, const std::vector<std::int64_t>& shape) {
      const auto found = weights.find(name);
      if (found == weights.end() || found->second.sizes() != at::IntArrayRef{shape}) {
        throw InputError(origin + ": expected the tensor " + name + " of shape " +
                         c10::str(at::IntArrayRef{shape}) + " (MiniLM), found " +
                         (found == weights.end() ? std::string{"none of that name"}
                                                 : "shape " + c10::str(found->second.sizes())));
      }
      return found->second.to(device, at::kFloat);
    };
    const auto linear = [&](const std::string& name, std::int64_t out, std::int64_t in) {
      return Affine{take(name + ".weight", {out, in}), take(name + ".bias", {out})};
    };
    const auto norm = [&](const std::string& name) {
      return Affine{take(name + ".weight", {width}), take(name + ".bias", {width})};
    };
    words_ = take("embeddings.word_embeddings.weight", {vocabulary, width});
    // Every token has type 0, so its vector can join the positions once.
    places_ = take("embeddings.position_embeddings.weight", {positions, width}) +
              take("embeddings.token_type_embeddings.weight", {2, width}).select(0, 0);
    first_norm_ = norm("embeddings.LayerNorm");
    for (std::int64_t i = 0; i < layers; ++i) {
      const std::string prefix = "encoder.layer." + std::to_string(i) + ".";
      layers_.push_back({linear(prefix + "attention.self.query", width, width),
                         linear(prefix + "attention.self.key", width, width),
                         linear(prefix + "attention.self.value", width, width),
                         linear(prefix + "attention.output.dense", width, width),
                         norm(prefix + "attention.output.LayerNorm"),
                         linear(prefix + "intermediate.dense", hidden, width),
                         linear(prefix + "output.dense", width, hidden),
                         norm(prefix + "output.LayerNorm")});
    }
  }

  /// The last hidden states [n, L, 384] float32 of token ids [n, L] (int64, L <= 512) with mask
  /// [n, L] (1: a token, 0: padding, which no token attends to). Throws InputError for a longer
  /// text.
  [[nodiscard]] Tensor last_hidden_state(const Tensor& ids, const Tensor& mask) const {
    if (ids.dim() != 2 || ids.sizes() != mask.sizes() || ids.size(1) > positions) {
      throw InputError("MiniLM: expected ids and mask of one shape [n, up to 512], found " +
                       c10::str(ids.sizes()) + " and " + c10::str(mask.sizes()));
    }
    const c10::NoGradGuard no_grad;
    const auto device = words_.device();
    const std::int64_t n = ids.size(0);
    const std::int64_t length = ids.size(1);
    const Tensor hidden_places = (1.0 - mask.to(device, at::kFloat)).view({n, 1, 1, length}) *
                                 static_cast<double>(std::numeric_limits<float>::lowest());
    const auto split = [&](const Tensor& x) {
      return x.view({n, length, heads, width / heads}).transpose(1, 2);
    };
    Tensor x =
        normalise(at::embedding(words_, ids.to(device)) + places_.slice(0, 0, length), first_norm_);
    for (const Layer& layer : layers_) {
      const Tensor query = split(apply(layer.query, x)) / std::sqrt(width / heads);
      const Tensor weights = at::softmax(
          at::matmul(query, split(apply(layer.key, x)).transpose(2, 3)) + hidden_places, -1);
      const Tensor mixed =
          at::matmul(weights, split(apply(layer.value, x))).transpose(1, 2).reshape(x.sizes());
      x = normalise(apply(layer.attention_output, mixed) + x, layer.attention_norm);
      const Tensor inner = at::gelu(apply(layer.intermediate, x));
      x = normalise(apply(layer.output, inner) + x, layer.output_norm);
    }
    return x;
  }

  /// Sentence vectors [n, 384] of unit length: the mean of the hidden states [n, L, 384] over the
  /// mask [n, L] (sentence-transformers' pooling of this model).
  [[nodiscard]] static Tensor sentence_vectors(const Tensor& hidden_states, const Tensor& mask) {
    const Tensor weight = mask.to(hidden_states.device(), at::kFloat).unsqueeze(2);
    const Tensor mean = (hidden_states * weight).sum(1) / weight.sum(1).clamp_min(1e-9);
    return mean / at::linalg_vector_norm(mean, 2, 1, true).clamp_min(1e-12);
  }

private:
  struct Affine {
    Tensor weight;
    Tensor bias;
  };

  struct Layer {
    Affine query;
    Affine key;
    Affine value;
    Affine attention_output;
    Affine attention_norm;
    Affine intermediate;
    Affine output;
    Affine output_norm;
  };

  static Tensor apply(const Affine& layer, const Tensor& x) {
    return at::linear(x, layer.weight, layer.bias);
  }

  static Tensor normalise(const Tensor& x, const Affine& norm) {
    return at::layer_norm(x, {width}, norm.weight, norm.bias, 1e-12);
  }

  Tensor words_;
  Tensor places_;
  Affine first_norm_;
  std::vector<Layer> layers_;
};

} // namespace d2c
