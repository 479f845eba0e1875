#pragma once
/// T5 as a text encoder: its files, tokenizer and network in one object.

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/in_batches.hpp>
#include <d2c/encoders/sentencepiece.hpp>
#include <d2c/encoders/t5.hpp>
#include <d2c/encoders/t5_network.hpp>
#include <d2c/encoders/t5_tensors.hpp>
#include <d2c/encoders/text_encoder.hpp>
#include <d2c/encoders/token_tensors.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A vocabulary for a T5 encoder of this shape. Throws InputError where the file is none or has
/// more pieces than the encoder has rows.
inline SentencePiece t5_vocabulary(const std::filesystem::path& file, const T5Shape& shape) {
  SentencePiece vocabulary{file};
  if (vocabulary.size() > shape.vocabulary) {
    throw InputError(file.string() + ": expected at most " + std::to_string(shape.vocabulary) +
                     " pieces (T5), found " + std::to_string(vocabulary.size()));
  }
  return vocabulary;
}

/// Prompts to the last hidden states of a T5 encoder; the end token counts as a token of the text.
class T5Encoder final : public TextEncoder {
public:
  /// Reads the weights (safetensors, PyTorch, or the index of shards) and `spiece.model`. Throws
  /// InputError where one is missing or holds something else.
  T5Encoder(const std::filesystem::path& weights, const std::filesystem::path& vocabulary,
            const T5Shape& shape, std::int64_t tokens, at::Device device)
      : T5Encoder{WeightsFile{weights}, vocabulary, shape, tokens, device} {}

  [[nodiscard]] EncodedText encode(const std::vector<std::string>& prompts) const override {
    const TokenTensors text = token_tensors(tokenizer_, prompts, tokens_);
    const std::int64_t n = text.ids.size(0);
    const Tensor states = at::empty({n, tokens_, network_.shape().width}, at::kFloat);
    in_batches(n, prompts_at_once, [&](std::int64_t begin, std::int64_t end) {
      states.slice(0, begin, end)
          .copy_(network_.last_hidden_state(text.ids.slice(0, begin, end),
                                            text.mask.slice(0, begin, end)));
    });
    return {states, text.mask.to(at::kFloat)};
  }

  [[nodiscard]] std::vector<std::filesystem::path> files() const override { return files_; }

private:
  T5Encoder(const WeightsFile& weights, const std::filesystem::path& vocabulary,
            const T5Shape& shape, std::int64_t tokens, at::Device device)
      : files_{weights.files()},
        tokenizer_{t5_vocabulary(vocabulary, shape)},
        network_{weights, shape, device},
        tokens_{tokens} {
    files_.push_back(vocabulary);
  }

  std::vector<std::filesystem::path> files_;
  SentencePiece tokenizer_;
  T5Network network_;
  std::int64_t tokens_;
};

/// Adds a problem for each file that is missing, shards of an index included, or holds something
/// else; reads no weights. No Python package carries these files.
template <class = Once>
void check_t5_files(std::string_view name, const T5Shape& shape, const AttachConfig& config,
                    Problems& problems) {
  const std::string of_name = " of " + std::string(name);
  constexpr const char* weights = "[attach] text_weights";
  if (check_configured_file(
          problems, weights, config.text_weights,
          "a file with the weights (model.safetensors, model.safetensors.index.json or "
          "pytorch_model.bin)" +
              of_name)) {
    problems.check(weights,
                   [&] { T5Network::require_fits(WeightsFile{config.text_weights}, shape); });
  }
  constexpr const char* vocabulary = "[attach] text_vocabulary";
  if (check_configured_file(problems, vocabulary, config.text_vocabulary,
                            "the vocabulary (spiece.model)" + of_name)) {
    problems.check(vocabulary, [&] { t5_vocabulary(config.text_vocabulary, shape); });
  }
}
D2C_COMPILED_ONCE(void check_t5_files<>(std::string_view, const T5Shape&, const AttachConfig&,
                                        Problems&))

/// The encoder of a shape, from the configured files. Throws InputError if one is missing or holds
/// something else.
template <class = Once>
std::unique_ptr<TextEncoder> make_t5(std::string_view name, const T5Shape& shape,
                                     std::int64_t tokens, const AttachConfig& config,
                                     at::Device device) {
  Problems problems;
  check_t5_files(name, shape, config, problems);
  problems.raise();
  return std::make_unique<T5Encoder>(config.text_weights, config.text_vocabulary, shape, tokens,
                                     device);
}
D2C_COMPILED_ONCE(std::unique_ptr<TextEncoder> make_t5<>(std::string_view, const T5Shape&,
                                                         std::int64_t, const AttachConfig&,
                                                         at::Device))

/// A tag with T5Facts and a name.
template <class Tag>
concept T5Tag = requires {
  Tag::name;
  requires std::derived_from<Tag, T5Facts<Tag::shape>>;
};

/// The encoder that a tag with T5Facts names. Errors as above.
template <T5Tag Tag>
std::unique_ptr<TextEncoder> make_encoder(Tag, const AttachConfig& config, at::Device device) {
  return make_t5(Tag::name, Tag::shape, Tag::tokens, config, device);
}

/// Adds a problem for each file that is missing or holds something else.
template <T5Tag Tag>
void check_encoder(Tag, const AttachConfig& config, Problems& problems) {
  check_t5_files(Tag::name, Tag::shape, config, problems);
}

} // namespace d2c
