#pragma once
/// Diffusion transformers that predict noise and its variance, as types. The network they stand for
/// is models/diffusion_transformer.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/models/policy.hpp>
#include <d2c/models/transformer_name.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// Peebles & Xie 2023 (DiT): noise prediction at integer times, learned-range variance. Policy of
/// role model; any size may be given: `DiT<TransformerSize{.depth = 4, .width = 64, .heads = 2,
/// .patch = 4}>`.
template <TransformerSize Size>
struct DiT {
  using role = roles::model;
  static constexpr Family family = Family::dit;
  static constexpr TransformerSize size = Size;
  static constexpr auto text = "DiT" + transformer_suffix<Size>();
  static constexpr std::string_view name = text;
};

using DiT_S2 = DiT<sizes::S(2)>;
using DiT_S4 = DiT<sizes::S(4)>;
using DiT_S8 = DiT<sizes::S(8)>;
using DiT_B2 = DiT<sizes::B(2)>;
using DiT_B4 = DiT<sizes::B(4)>;
using DiT_B8 = DiT<sizes::B(8)>;
using DiT_L2 = DiT<sizes::L(2)>;
using DiT_L4 = DiT<sizes::L(4)>;
using DiT_L8 = DiT<sizes::L(8)>;
using DiT_XL2 = DiT<sizes::XL(2)>;
using DiT_XL4 = DiT<sizes::XL(4)>;
using DiT_XL8 = DiT<sizes::XL(8)>;

/// The paper's scorer.
using DiTXL = DiT_XL2;

} // namespace d2c
