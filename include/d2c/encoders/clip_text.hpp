#pragma once
/// The text towers of CLIP as types: their facts. The network is encoders/clip_text_network.hpp.

#include <filesystem>
#include <string_view>
#include <vector>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/clip_vocabulary_files.hpp>

namespace d2c {

/// What the types below share: 77 tokens per prompt, the start and the end token among them.
template <CLIPTextShape Shape>
struct CLIPTextFacts {
  using role = roles::text_encoder;
  static constexpr CLIPTextShape shape = Shape;
  static constexpr int tokens = CLIPTextShape::context;
  static constexpr int width = Shape.width;
  static constexpr std::string_view vocabulary = "vocab.json"; ///< published beside the weights
  static constexpr auto provides = set_of<TextTokens>;

  /// The list of pairs beside `vocab.json`; its content is part of the stage's key.
  static std::vector<std::filesystem::path> companion_files(const Sections& sections) {
    auto files = clip_vocabulary_files(sections.get<AttachConfig>().text_vocabulary);
    files.erase(files.begin()); // which the configuration names
    return files;
  }
};

/// The text tower of ViT-L/14 (Radford et al. 2021), which Stable Diffusion 1 is conditioned on: 77
/// tokens of width 768. Attacher policy of role text_encoder, as are the other sizes.
struct CLIPText : CLIPTextFacts<clip_shapes::text_L> {
  static constexpr std::string_view name = "CLIPText";
};

/// That of ViT-B/32 and ViT-B/16: width 512.
struct CLIPTextB : CLIPTextFacts<clip_shapes::text_B> {
  static constexpr std::string_view name = "CLIPTextB";
};

/// That of OpenCLIP's ViT-H/14: width 1024.
struct CLIPTextH : CLIPTextFacts<clip_shapes::text_H> {
  static constexpr std::string_view name = "CLIPTextH";
};

} // namespace d2c
