#pragma once
/// A vision transformer whose learned positions are interpolated by another rule, as a type: its
/// facts.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/encoders/position_rule.hpp>

namespace d2c {

/// An encoder with learned positions, interpolated by Rule where the grid is not that of the
/// training: WithPositions<DINOv2, PositionRule::plain> is what transformers computes. Attacher
/// policy of role vision_encoder; the encoders themselves take REPA's rule.
template <class Encoder, PositionRule Rule>
struct WithPositions : Encoder::template with_positions<Rule> {
  static constexpr auto text = "WithPositions<" +
                               fixed_string_of<Encoder::name.size()>(Encoder::name) + ", " +
                               fixed_string_of<name_of(Rule).size()>(name_of(Rule)) + ">";
  static constexpr std::string_view name = text;
};

} // namespace d2c
