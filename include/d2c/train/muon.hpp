#pragma once
/// The optimizer policy Muon as a type. Its body is in train/muon_optimizer.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// Orthogonalised momentum for the matrices of transformer blocks, AdamW for everything else
/// (Jordan et al. 2024): for small step budgets.
struct Muon {
  using role = roles::optimizer;
  static constexpr std::string_view name = "Muon";
};

} // namespace d2c
