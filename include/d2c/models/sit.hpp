#pragma once
/// Diffusion transformers that predict velocity, as types. The network they stand for is
/// models/diffusion_transformer.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/models/policy.hpp>
#include <d2c/models/transformer_name.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// Ma et al. 2024 (SiT): DiT's network, velocity prediction on a continuous path. Policy of role
/// model; any size may be given: `SiT<TransformerSize{.depth = 4, .width = 64, .heads = 2, .patch =
/// 4}>`.
template <TransformerSize Size>
struct SiT {
  using role = roles::model;
  static constexpr Family family = Family::sit;
  static constexpr TransformerSize size = Size;
  static constexpr auto text = "SiT" + transformer_suffix<Size>();
  static constexpr std::string_view name = text;
};

using SiT_S2 = SiT<sizes::S(2)>;
using SiT_S4 = SiT<sizes::S(4)>;
using SiT_S8 = SiT<sizes::S(8)>;
using SiT_B2 = SiT<sizes::B(2)>;
using SiT_B4 = SiT<sizes::B(4)>;
using SiT_B8 = SiT<sizes::B(8)>;
using SiT_L2 = SiT<sizes::L(2)>;
using SiT_L4 = SiT<sizes::L(4)>;
using SiT_L8 = SiT<sizes::L(8)>;
using SiT_XL2 = SiT<sizes::XL(2)>;
using SiT_XL4 = SiT<sizes::XL(4)>;
using SiT_XL8 = SiT<sizes::XL(8)>;

} // namespace d2c
