#pragma once
/// A vision encoder that attaches its class token beside its patch tokens, as a type: its facts.

#include <concepts>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/encoders/class_token_origin.hpp>

namespace d2c {

/// Whether a vision encoder says what its class token is.
template <class T>
concept StatesClassToken = requires {
  { T::class_token } -> std::convertible_to<ClassTokenOrigin>;
};

/// WithClassToken<Encoder>: what Encoder attaches, and one class token per image, which REGAlign
/// needs. Attacher policy of role vision_encoder; of an encoder without the fact `class_token` it
/// is none (d2c.policy.shape).
template <class Encoder>
struct WithClassToken {
  using role = roles::vision_encoder;
  static constexpr auto text =
      "WithClassToken<" + fixed_string_of<Encoder::name.size()>(Encoder::name) + ">";
  static constexpr std::string_view name = text;
};

template <StatesClassToken Encoder>
struct WithClassToken<Encoder> {
  using role = roles::vision_encoder;
  using encoder = Encoder;
  static constexpr auto text =
      "WithClassToken<" + fixed_string_of<Encoder::name.size()>(Encoder::name) + ">";
  static constexpr std::string_view name = text;
  static constexpr int tokens = Encoder::tokens;
  static constexpr int width = Encoder::width;
  static constexpr ClassTokenOrigin class_token = Encoder::class_token;
  static constexpr auto provides = set_of<VisualTokens, ClassTokens>;
};

} // namespace d2c
