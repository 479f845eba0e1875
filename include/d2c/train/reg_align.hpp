#pragma once
/// Representation entanglement as a type. Its losses are part of the training step.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// Alignment as REPAAlign, of one more token: the vision encoder's class token of the image, which
/// the denoiser denoises along with the image (REG, Wu et al. 2025). The class token lies on the
/// image's path at the image's time, with noise of its own; its loss, weighted by [train]
/// class_token_weight, is added. Trainer policy of role aligner.
struct REGAlign {
  using role = roles::aligner;
  static constexpr std::string_view name = "REGAlign";
  static constexpr bool aligns = true;
  static constexpr bool entangles = true;
  static constexpr auto needs = set_of<VisualTokens, ClassTokens>;
};

/// Whether the denoiser of an aligner denoises a class token too.
template <class Aligner>
consteval bool entangles() {
  if constexpr (requires { Aligner::entangles; }) {
    return Aligner::entangles;
  } else {
    return false;
  }
}

} // namespace d2c
