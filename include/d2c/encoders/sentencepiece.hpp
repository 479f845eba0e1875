#pragma once
/// The tokenizer of T5: a published SentencePiece vocabulary (`spiece.model`), read by the
/// SentencePiece library. Torch-free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sentencepiece_processor.h>

#include <d2c/core/error.hpp>
#include <d2c/encoders/sentencepiece_check.hpp>
#include <d2c/encoders/token_ids.hpp>
#include <d2c/io/mapped_file.hpp>

namespace d2c {

/// Splits text into the pieces of a SentencePiece vocabulary with T5's ids: padding 0, end 1,
/// unknown 2, no begin. Special tokens written out in a text ("</s>") are plain text.
class SentencePiece {
public:
  /// Reads a `spiece.model`. Throws InputError if the file cannot be read or holds no such
  /// vocabulary.
  explicit SentencePiece(const std::filesystem::path& file) : SentencePiece{read(file), file} {}

  /// Pieces in the vocabulary; ids are below it.
  [[nodiscard]] std::int64_t size() const { return processor_->GetPieceSize(); }

  /// Ids of `text` (UTF-8; each broken byte counts as U+FFFD) in exactly `length` places: the
  /// pieces, the end token, then padding. A longer text is cut so that the end token still closes
  /// it. Throws InputError if length < 1.
  [[nodiscard]] TokenIds encode(std::string_view text, std::size_t length) const {
    if (length < 1) {
      throw InputError("T5's tokenizer needs room for the end token, that is at least 1 token, and "
                       "was given 0");
    }
    std::vector<std::int64_t> ids = tokenize(text);
    ids.resize(std::min(ids.size(), length - 1));
    ids.push_back(end_id);
    return TokenIds::padded(std::move(ids), length, padding_id);
  }

  /// All pieces of `text`, without end and padding.
  [[nodiscard]] std::vector<std::int64_t> tokenize(std::string_view text) const {
    std::vector<int> pieces;
    const auto status = processor_->Encode(text, &pieces);
    if (!status.ok()) {
      throw Failure("SentencePiece could not split \"" + std::string(text) +
                    "\": " + status.ToString());
    }
    return {pieces.begin(), pieces.end()};
  }

private:
  static constexpr std::int64_t padding_id = 0;
  static constexpr std::int64_t end_id = 1;
  static constexpr std::int64_t unknown_id = 2;

  using Processor = sentencepiece::SentencePieceProcessor;

  SentencePiece(std::unique_ptr<Processor> processor, const std::filesystem::path& file)
      : processor_{std::move(processor)} {
    if (processor_->pad_id() != padding_id || processor_->eos_id() != end_id ||
        processor_->unk_id() != unknown_id) {
      throw InputError(file.string() +
                       ": expected a vocabulary of T5 (padding 0, end 1, unknown 2), found " +
                       "padding " + std::to_string(processor_->pad_id()) + ", end " +
                       std::to_string(processor_->eos_id()) + ", unknown " +
                       std::to_string(processor_->unk_id()));
    }
  }

  static std::unique_ptr<Processor> read(const std::filesystem::path& file) {
    const MappedFile mapped{file};
    const auto bytes = mapped.bytes();
    std::string problem{sentencepiece_problem(bytes)};
    auto processor = std::make_unique<Processor>();
    if (problem.empty()) {
      const auto status = processor->LoadFromSerializedProto(
          {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      problem = !status.ok()                     ? "a file that the library cannot read"
                : processor->GetPieceSize() == 0 ? "no pieces"
                                                 : "";
    }
    if (!problem.empty()) {
      throw InputError(file.string() +
                       ": expected a SentencePiece vocabulary (spiece.model), found " + problem);
    }
    return processor;
  }

  std::unique_ptr<Processor> processor_;
};

} // namespace d2c
