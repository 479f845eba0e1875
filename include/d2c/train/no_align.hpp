#pragma once
/// The absence of representation alignment, as a type.

#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// The denoising loss alone. Trainer policy of role aligner.
struct NoAlign {
  using role = roles::aligner;
  static constexpr std::string_view name = "NoAlign";
  static constexpr bool aligns = false;
};

} // namespace d2c
