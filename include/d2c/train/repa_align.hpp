#pragma once
/// Representation alignment as a type. Its loss is part of the training step.

#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// Pulls projected hidden tokens of an early block towards the vision encoder's patch tokens by
/// cosine similarity (REPA, Yu et al. 2024; Eq. 11). Trainer policy of role aligner.
struct REPAAlign {
  using role = roles::aligner;
  static constexpr std::string_view name = "REPAAlign";
  static constexpr bool aligns = true;
  static constexpr auto needs = set_of<VisualTokens>;
};

} // namespace d2c
