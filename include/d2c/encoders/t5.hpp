#pragma once
/// The T5 text encoders as types: their facts. The network is encoders/t5_network.hpp.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/encoders/t5_tensors.hpp>

namespace d2c {

/// What the types below share: 16 tokens per prompt, as in the paper, with the end token among
/// them.
template <T5Shape Shape>
struct T5Facts {
  using role = roles::text_encoder;
  static constexpr T5Shape shape = Shape;
  static constexpr int tokens = 16;
  static constexpr int width = Shape.width;
  static constexpr std::string_view vocabulary = "spiece.model"; ///< published beside the weights
  static constexpr auto provides = set_of<TextTokens>;
};

/// Encoder of Flan-T5-XL or T5-v1.1-XL (Raffel et al. 2020), the paper's: 16 tokens of width 2048
/// per prompt. Attacher policy of role text_encoder, as are the other sizes.
struct T5 : T5Facts<t5_shapes::v11_xl> {
  static constexpr std::string_view name = "T5";
};

/// Sizes of T5 1.0; the encoder of Sentence-T5 is one of them. Width 512.
struct T5Small : T5Facts<t5_shapes::small> {
  static constexpr std::string_view name = "T5Small";
};

/// Width 768.
struct T5Base : T5Facts<t5_shapes::base> {
  static constexpr std::string_view name = "T5Base";
};

/// Width 1024, as are 3B and 11B.
struct T5Large : T5Facts<t5_shapes::large> {
  static constexpr std::string_view name = "T5Large";
};

struct T5_3B : T5Facts<t5_shapes::b3> {
  static constexpr std::string_view name = "T5_3B";
};

struct T5_11B : T5Facts<t5_shapes::b11> {
  static constexpr std::string_view name = "T5_11B";
};

/// Other sizes of T5 1.1 and Flan-T5. Width 512.
struct T5v11Small : T5Facts<t5_shapes::v11_small> {
  static constexpr std::string_view name = "T5v11Small";
};

/// Width 768.
struct T5v11Base : T5Facts<t5_shapes::v11_base> {
  static constexpr std::string_view name = "T5v11Base";
};

/// Width 1024.
struct T5v11Large : T5Facts<t5_shapes::v11_large> {
  static constexpr std::string_view name = "T5v11Large";
};

/// Width 4096.
struct T5v11XXL : T5Facts<t5_shapes::v11_xxl> {
  static constexpr std::string_view name = "T5v11XXL";
};

} // namespace d2c
