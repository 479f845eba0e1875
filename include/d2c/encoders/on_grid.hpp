#pragma once
/// A vision transformer on another grid of patches, as a type: its facts.

#include <string_view>

#include <d2c/core/fixed_string.hpp>

namespace d2c {

/// An encoder with facts for any grid, on Grid x Grid patches: OnGrid<DINOv2, 32> for images of 512
/// pixels. Attacher policy of role vision_encoder; the network is the encoder's, its positions are
/// interpolated.
template <class Encoder, int Grid>
struct OnGrid : Encoder::template on_grid<Grid> {
  static constexpr auto text = "OnGrid<" + fixed_string_of<Encoder::name.size()>(Encoder::name) +
                               ", " + decimal<Grid>() + ">";
  static constexpr std::string_view name = text;
};

} // namespace d2c
