#pragma once
/// The feature network of FD-DINOv2 as a type: its facts. The network is
/// encoders/dinov2_network.hpp.

#include <concepts>
#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/encoders/dinov2.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>

namespace d2c {

/// The class token of a DINOv2 after its last norm, of images that Pillow resizes to 224 pixels
/// (bicubic, whatever their shape): the features of FD-DINOv2 (Stein et al. 2023), whose network is
/// ViT-L/14 without registers. REPA's preparation of the same networks is another.
template <class Encoder = DINOv2L>
  requires std::same_as<const DINOv2Shape, decltype(Encoder::shape)>

struct DINOv2ClassToken {
  using encoder = Encoder;
  static constexpr auto text =
      "DINOv2ClassToken<" + fixed_string_of<Encoder::name.size()>(Encoder::name) + ">";
  static constexpr std::string_view name = text;
  /// Of the names of numbers: those of FD-DINOv2's network bear the family's name, others their
  /// own.
  static constexpr std::string_view suffix =
      std::same_as<Encoder, DINOv2L> ? std::string_view{"dinov2"} : Encoder::name;
  static constexpr int width = Encoder::width;
};

} // namespace d2c
