#pragma once
/// Sentence-T5 as a text encoder: its files, tokenizer and network in one object.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/in_batches.hpp>
#include <d2c/encoders/sentence_t5.hpp>
#include <d2c/encoders/sentence_t5_check.hpp>
#include <d2c/encoders/sentence_t5_files.hpp>
#include <d2c/encoders/sentencepiece.hpp>
#include <d2c/encoders/t5_encoder.hpp>
#include <d2c/encoders/t5_network.hpp>
#include <d2c/encoders/t5_tensors.hpp>
#include <d2c/encoders/text_encoder.hpp>
#include <d2c/encoders/token_tensors.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Prompts to one vector of unit length each: the mean of a T5 encoder's last hidden states over
/// the tokens of the text and its end token, a matrix, and division by the length, all in float32.
class SentenceT5Encoder final : public TextEncoder {
public:
  /// Reads the encoder's weights (safetensors, PyTorch, or the index of shards), the dense layer
  /// beside them and `spiece.model`. A prompt is cut to `longest` pieces, the end token among them;
  /// the result is [n, 1, width]. Throws InputError where a file is missing or holds something
  /// else.
  SentenceT5Encoder(const std::filesystem::path& weights, const std::filesystem::path& vocabulary,
                    const T5Shape& shape, std::int64_t width, std::int64_t longest,
                    at::Device device)
      : SentenceT5Encoder{WeightsFile{weights}, vocabulary, shape, width, longest, device} {}

  [[nodiscard]] EncodedText encode(const std::vector<std::string>& prompts) const override {
    const c10::NoGradGuard no_grad;
    const auto n = static_cast<std::int64_t>(prompts.size());
    const Tensor vectors = at::empty({n, 1, dense_.size(0)}, at::kFloat);
    in_batches(n, prompts_at_once, [&](std::int64_t begin, std::int64_t end) {
      const std::span some(prompts.begin() + begin, prompts.begin() + end);
      vectors.slice(0, begin, end).copy_(embed(some).unsqueeze(1));
    });
    return {vectors, at::ones({n, 1}, at::kFloat)};
  }

  [[nodiscard]] std::vector<std::filesystem::path> files() const override { return files_; }

  /// Throws InputError where this is not the dense layer behind an encoder of this shape; reads no
  /// values.
  static void require_dense(const WeightsFile& file, const T5Shape& shape, std::int64_t width) {
    TensorDifferences differences{file};
    differences.expect({"linear.weight", {width, shape.width}});
    differences.refuse_others([](const std::string&) { return true; });
    differences.raise("the dense layer of Sentence-T5");
  }

private:
  SentenceT5Encoder(const WeightsFile& weights, const std::filesystem::path& vocabulary,
                    const T5Shape& shape, std::int64_t width, std::int64_t longest,
                    at::Device device)
      : files_{weights.files()},
        tokenizer_{t5_vocabulary(vocabulary, shape)},
        network_{weights, shape, device},
        longest_{static_cast<std::size_t>(longest)} {
    const SentenceT5Files beside{weights.path()};
    const WeightsFile file{beside.dense};
    require_dense(file, shape, width);
    dense_ = file.read("linear.weight").to(device, at::kFloat).contiguous();
    for (const std::filesystem::path& path : beside.all()) {
      files_.push_back(path);
    }
    files_.push_back(vocabulary);
  }

  /// [n, width], on the network's device.
  [[nodiscard]] Tensor embed(std::span<const std::string> prompts) const {
    // No longer than the longest prompt: padding has no part in the result.
    std::size_t length = 1;
    for (const std::string& prompt : prompts) {
      length = std::max(length, std::min(longest_, tokenizer_.tokenize(prompt).size() + 1));
    }
    const auto [ids, mask] = token_tensors(tokenizer_, prompts, static_cast<std::int64_t>(length));
    const Tensor weights = mask.to(dense_.device(), at::kFloat).unsqueeze(2);
    const Tensor sums = (network_.last_hidden_state(ids, mask) * weights).sum(1);
    const Tensor x = at::linear(sums / weights.sum(1), dense_);
    return x / at::linalg_vector_norm(x, 2, at::IntArrayRef{1}, true).clamp_min(1e-12);
  }

  std::vector<std::filesystem::path> files_;
  SentencePiece tokenizer_;
  T5Network network_;
  std::size_t longest_;
  Tensor dense_; // [width, shape.width]
};

/// Adds a problem for each file that is missing, shards of an index included, or holds something
/// else, and for settings of another model; reads no weights.
template <class = Once>
void check_sentence_t5(std::string_view name, const T5Shape& shape, std::int64_t width,
                       const AttachConfig& config, Problems& problems) {
  check_t5_files(name, shape, config, problems);
  if (!is_file(config.text_weights)) {
    return;
  }
  check_sentence_t5_files(name, config.text_weights, problems);
  if (const auto dense = SentenceT5Files{config.text_weights}.dense; is_file(dense)) {
    problems.check("[attach] text_weights",
                   [&] { SentenceT5Encoder::require_dense(WeightsFile{dense}, shape, width); });
  }
}
D2C_COMPILED_ONCE(void check_sentence_t5<>(std::string_view, const T5Shape&, std::int64_t,
                                           const AttachConfig&, Problems&))

/// The encoder of a shape, from the configured files. Throws InputError if one is missing or holds
/// something else.
template <class = Once>
std::unique_ptr<TextEncoder> make_sentence_t5(std::string_view name, const T5Shape& shape,
                                              std::int64_t width, std::int64_t longest,
                                              const AttachConfig& config, at::Device device) {
  Problems problems;
  check_sentence_t5(name, shape, width, config, problems);
  problems.raise();
  return std::make_unique<SentenceT5Encoder>(config.text_weights, config.text_vocabulary, shape,
                                             width, longest, device);
}
D2C_COMPILED_ONCE(std::unique_ptr<TextEncoder> make_sentence_t5<>(std::string_view, const T5Shape&,
                                                                  std::int64_t, std::int64_t,
                                                                  const AttachConfig&, at::Device))

/// A tag with SentenceT5Facts and a name.
template <class Tag>
concept SentenceT5Tag = requires {
  Tag::name;
  requires std::derived_from<Tag, SentenceT5Facts<Tag::shape>>;
};

/// The encoder that a tag with SentenceT5Facts names. Errors as above.
template <SentenceT5Tag Tag>
std::unique_ptr<TextEncoder> make_encoder(Tag, const AttachConfig& config, at::Device device) {
  return make_sentence_t5(Tag::name, Tag::shape, Tag::width, Tag::longest, config, device);
}

/// Adds a problem for each file that is missing or belongs to another model.
template <SentenceT5Tag Tag>
void check_encoder(Tag, const AttachConfig& config, Problems& problems) {
  check_sentence_t5(Tag::name, Tag::shape, Tag::width, config, problems);
}

} // namespace d2c
