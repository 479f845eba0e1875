#pragma once
/// The MiniLM text encoder as a type: its facts. The network is encoders/minilm_network.hpp.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// all-MiniLM-L6-v2 (Wang et al. 2020; Reimers & Gurevych 2019): 16 tokens of width 384 per prompt.
/// Attacher policy of role text_encoder.
struct MiniLM {
  using role = roles::text_encoder;
  static constexpr std::string_view name = "MiniLM";
  static constexpr int tokens = 16;
  static constexpr int width = 384;
  static constexpr auto provides = set_of<TextTokens>;
};

} // namespace d2c
