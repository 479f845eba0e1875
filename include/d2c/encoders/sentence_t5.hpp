#pragma once
/// The text encoders of Sentence-T5 as types: their facts. The network is
/// encoders/sentence_t5_encoder.hpp.

#include <filesystem>
#include <string_view>
#include <vector>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/encoders/sentence_t5_files.hpp>
#include <d2c/encoders/t5_tensors.hpp>

namespace d2c {

/// What the types below share: one token of width 768 per prompt, whatever the encoder's width.
template <T5Shape Shape>
struct SentenceT5Facts {
  using role = roles::text_encoder;
  static constexpr T5Shape shape = Shape;
  static constexpr int tokens = 1;
  static constexpr int width = 768;
  static constexpr int longest = 256; ///< pieces of a prompt, the end token among them
  static constexpr std::string_view vocabulary = "spiece.model"; ///< published beside the weights
  static constexpr auto provides = set_of<TextTokens>;

  /// What is read beside the weights; its content is part of the stage's key.
  static std::vector<std::filesystem::path> companion_files(const Sections& sections) {
    const SentenceT5Files files{sections.get<AttachConfig>().text_weights};
    return {files.pooling, files.dense_settings, files.dense};
  }
};

/// Sentence-T5 (Ni et al. 2022) as sentence-transformers publishes it, on the encoder of T5 base:
/// one vector of unit length per prompt. Attacher policy of role text_encoder, as are the other
/// sizes.
struct SentenceT5 : SentenceT5Facts<t5_shapes::base> {
  static constexpr std::string_view name = "SentenceT5";
};

/// On the encoder of T5 large.
struct SentenceT5Large : SentenceT5Facts<t5_shapes::large> {
  static constexpr std::string_view name = "SentenceT5Large";
};

/// On the encoder of T5 3B.
struct SentenceT5XL : SentenceT5Facts<t5_shapes::b3> {
  static constexpr std::string_view name = "SentenceT5XL";
};

/// On the encoder of T5 11B.
struct SentenceT5XXL : SentenceT5Facts<t5_shapes::b11> {
  static constexpr std::string_view name = "SentenceT5XXL";
};

} // namespace d2c
