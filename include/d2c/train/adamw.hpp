#pragma once
/// The optimizer policy AdamW as a type. Its body is in train/adamw_optimizer.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019): the paper's optimizer.
struct AdamW {
  using role = roles::optimizer;
  static constexpr std::string_view name = "AdamW";
};

} // namespace d2c
