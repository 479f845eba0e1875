#pragma once
/// Dispersion of hidden representations as a type. Its loss is part of the training step
/// (train/dispersion.hpp).

#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// Pushes the hidden tokens of the images of a batch apart, without encoder and projector: the
/// InfoNCE loss without positive pairs, on squared distances ("Diffuse and Disperse", Wang & He
/// 2025). Weight [train] align_weight, after block align_depth (0: a quarter of the depth). Trainer
/// policy of role aligner.
struct DispersiveLoss {
  using role = roles::aligner;
  static constexpr std::string_view name = "DispersiveLoss";
  static constexpr bool aligns = false;
  static constexpr bool disperses = true;
};

/// Whether an aligner takes the hidden tokens themselves.
template <class Aligner>
consteval bool disperses() {
  if constexpr (requires { Aligner::disperses; }) {
    return Aligner::disperses;
  } else {
    return false;
  }
}

} // namespace d2c
