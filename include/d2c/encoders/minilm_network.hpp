#pragma once
/// The network behind the tag MiniLM: BERT with 6 layers of width 384.

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/encoders/minilm_tensors.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// all-MiniLM-L6-v2 for inference (BERT of Devlin et al. 2019: learned positions, post-LayerNorm
/// with eps 1e-12, exact GELU, 12 heads). Follows transformers' BertModel without its pooler.
class MiniLMNetwork {
public:
  /// Reads a whole file, or an index of shards, in any floating type. Throws one InputError that
  /// lists each tensor that is missing, has another shape, or has no place in this network.
  explicit MiniLMNetwork(const WeightsFile& file, at::Device device = at::kCPU) {
    using Names = MiniLMNames;
    require_fits(file);
    const auto take = [&](const std::string& name) {
      return file.read(name).to(device, at::kFloat);
    };
    const auto affine = [&](const std::string& name) {
      return Affine{take(name + ".weight"), take(name + ".bias")};
    };
    words_ = take(Names::words);
    // Every token has type 0, so its vector can join the positions once.
    places_ = take(Names::places) + take(Names::types).select(0, 0);
    first_norm_ = affine(Names::first_norm);
    for (std::int64_t i = 0; i < MiniLMSizes::layers; ++i) {
      layers_.push_back({affine(Names::attention(i, "query")), affine(Names::attention(i, "key")),
                         affine(Names::attention(i, "value")), affine(Names::attention_output(i)),
                         affine(Names::attention_norm(i)), affine(Names::intermediate(i)),
                         affine(Names::output(i)), affine(Names::output_norm(i))});
    }
  }

  /// Throws InputError as the constructor does for the names and shapes; reads no values.
  static void require_fits(const WeightsFile& file) {
    TensorDifferences differences{file};
    differences.expect(minilm_tensors());
    differences.refuse_others([](const std::string&) { return true; });
    differences.raise("the weights of MiniLM (all-MiniLM-L6-v2)");
  }

  /// The last hidden states [n, L, 384] float32 of token ids [n, L] (int64, L <= 512) with mask
  /// [n, L] (1: a token, 0: padding, which no token attends to). Throws InputError for a longer
  /// text.
  [[nodiscard]] Tensor last_hidden_state(const Tensor& ids, const Tensor& mask) const {
    if (ids.dim() != 2 || ids.sizes() != mask.sizes() || ids.size(1) > MiniLMSizes::positions) {
      throw InputError("MiniLM: expected ids and mask of one shape [n, up to 512], found " +
                       c10::str(ids.sizes()) + " and " + c10::str(mask.sizes()));
    }
    const c10::NoGradGuard no_grad;
    const auto device = words_.device();
    const std::int64_t n = ids.size(0);
    const std::int64_t length = ids.size(1);
    constexpr std::int64_t heads = MiniLMSizes::heads;
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
  static constexpr std::int64_t width = MiniLMSizes::width;

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
