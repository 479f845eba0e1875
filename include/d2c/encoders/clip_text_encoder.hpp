#pragma once
/// CLIP's text tower as a text encoder: its files, tokenizer and network in one object.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/clip_text.hpp>
#include <d2c/encoders/clip_text_network.hpp>
#include <d2c/encoders/clip_tokenizer.hpp>
#include <d2c/encoders/clip_vocabulary_files.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/in_batches.hpp>
#include <d2c/encoders/text_encoder.hpp>
#include <d2c/encoders/token_tensors.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A vocabulary for a text tower of this shape. Throws InputError where the file is none or has
/// another number of tokens.
inline CLIPTokenizer clip_vocabulary(const std::filesystem::path& file,
                                     const CLIPTextShape& shape) {
  CLIPTokenizer vocabulary{file};
  if (vocabulary.size() != shape.vocabulary) {
    throw InputError(file.string() + ": expected " + std::to_string(shape.vocabulary) +
                     " tokens (CLIP), found " + std::to_string(vocabulary.size()));
  }
  return vocabulary;
}

/// Prompts to the 77 last hidden states of a text tower; the mask counts the start token, the
/// pieces and the end token.
class CLIPTextEncoder final : public TextEncoder {
public:
  /// Reads the weights (the authors' archive or transformers' files) and the vocabulary. Throws
  /// InputError where one is missing or holds something else.
  CLIPTextEncoder(const WeightsFile& weights, const std::filesystem::path& vocabulary,
                  const CLIPTextShape& shape, at::Device device)
      : files_{weights.files()},
        tokenizer_{clip_vocabulary(vocabulary, shape)},
        network_{weights, shape, device} {
    files_.insert(files_.end(), tokenizer_.files().begin(), tokenizer_.files().end());
  }

  [[nodiscard]] EncodedText encode(const std::vector<std::string>& prompts) const override {
    constexpr std::int64_t tokens = CLIPTextShape::context;
    const TokenTensors text = token_tensors(tokenizer_, prompts, tokens);
    const std::int64_t n = text.ids.size(0);
    const Tensor states = at::empty({n, tokens, network_.shape().width}, at::kFloat);
    in_batches(n, prompts_at_once, [&](std::int64_t begin, std::int64_t end) {
      states.slice(0, begin, end).copy_(network_.last_hidden_state(text.ids.slice(0, begin, end)));
    });
    return {states, text.mask.to(at::kFloat)};
  }

  [[nodiscard]] std::vector<std::filesystem::path> files() const override { return files_; }

private:
  std::vector<std::filesystem::path> files_;
  CLIPTokenizer tokenizer_;
  CLIPTextNetwork network_;
};

/// Adds a problem for each file that is missing, shards of an index included, or holds something
/// else; reads no weights. No Python package carries these files.
template <class = Once>
void check_clip_text_files(const CLIPTextShape& shape, const AttachConfig& config,
                           Problems& problems) {
  constexpr const char* weights = "[attach] text_weights";
  if (check_configured_file(
          problems, weights, config.text_weights,
          "a file with the CLIP weights (the authors' ViT-L-14.pt or its like, or transformers' "
          "model.safetensors)")) {
    problems.check(weights,
                   [&] { CLIPTextNetwork::require_fits(WeightsFile{config.text_weights}, shape); });
  }
  constexpr const char* vocabulary = "[attach] text_vocabulary";
  if (check_configured_file(problems, vocabulary, config.text_vocabulary,
                            "CLIP's vocabulary (vocab.json or bpe_simple_vocab_16e6.txt.gz)") &&
      check_configured_file(problems, vocabulary,
                            clip_vocabulary_files(config.text_vocabulary).back().string(),
                            "the list of pairs beside vocab.json")) {
    problems.check(vocabulary, [&] { clip_vocabulary(config.text_vocabulary, shape); });
  }
}
D2C_COMPILED_ONCE(void check_clip_text_files<>(const CLIPTextShape&, const AttachConfig&,
                                               Problems&))

/// The encoder of a shape, from the configured files. Throws InputError if one is missing or holds
/// something else.
template <class = Once>
std::unique_ptr<TextEncoder> make_clip_text(const CLIPTextShape& shape, const AttachConfig& config,
                                            at::Device device) {
  Problems problems;
  check_clip_text_files(shape, config, problems);
  problems.raise();
  return std::make_unique<CLIPTextEncoder>(WeightsFile{config.text_weights}, config.text_vocabulary,
                                           shape, device);
}
D2C_COMPILED_ONCE(std::unique_ptr<TextEncoder> make_clip_text<>(const CLIPTextShape&,
                                                                const AttachConfig&, at::Device))

/// The encoder that a tag with CLIPTextFacts names. Errors as above.
template <CLIPTextShape Shape>
std::unique_ptr<TextEncoder> make_encoder(const CLIPTextFacts<Shape>&, const AttachConfig& config,
                                          at::Device device) {
  return make_clip_text(Shape, config, device);
}

/// Adds a problem for each file that is missing or holds something else.
template <CLIPTextShape Shape>
void check_encoder(const CLIPTextFacts<Shape>&, const AttachConfig& config, Problems& problems) {
  check_clip_text_files(Shape, config, problems);
}

} // namespace d2c
