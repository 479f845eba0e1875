#pragma once
/// Names of diffusion transformers by their size.

#include <d2c/core/fixed_string.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// "-XL/2" for a published size, else "(depth 4, width 64, heads 2, patch 4)", with the MLP ratio
/// where it is not 4.
template <TransformerSize Size>
constexpr auto transformer_suffix() {
  if constexpr (Size == sizes::S(Size.patch)) {
    return "-S/" + decimal<Size.patch>();
  } else if constexpr (Size == sizes::B(Size.patch)) {
    return "-B/" + decimal<Size.patch>();
  } else if constexpr (Size == sizes::L(Size.patch)) {
    return "-L/" + decimal<Size.patch>();
  } else if constexpr (Size == sizes::XL(Size.patch)) {
    return "-XL/" + decimal<Size.patch>();
  } else {
    constexpr auto text = "(depth " + decimal<Size.depth>() + ", width " + decimal<Size.width>() +
                          ", heads " + decimal<Size.heads>() + ", patch " + decimal<Size.patch>();
    if constexpr (Size.mlp_ratio == 4) {
      return text + ")";
    } else {
      return text + ", mlp " + decimal<Size.mlp_ratio>() + ")";
    }
  }
}

} // namespace d2c
