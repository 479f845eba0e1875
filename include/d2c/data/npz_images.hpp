#pragma once
/// Images of one size in NumPy archives, as a type: its facts. Its files are read in
/// data/load_npz_images.hpp.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// NpzImages<10, 28, 28, 1>: arrays of uint8 images of ten classes, 28 x 28, grey. NpzImages<>
/// takes the classes and the size from [data] classes and image_size, with 3 channels. Source
/// policy of role dataset.
template <int Classes = 0, int Height = 0, int Width = Height, int Channels = 3>
struct NpzImages {
  static_assert(Classes > 0 && Height > 0 && Width > 0 && (Channels == 1 || Channels == 3),
                "NpzImages: expected positive sizes, or none at all");
  using role = roles::dataset;
  static constexpr auto text = "NpzImages<" + decimal<Classes>() + ", " + decimal<Height>() + ", " +
                               decimal<Width>() + ", " + decimal<Channels>() + ">";
  static constexpr std::string_view name = text;
  static constexpr std::string_view config_name = "npz"; ///< value of [data] dataset
  static constexpr int classes = Classes;
  static constexpr int channels = Channels;
  static constexpr int height = Height;
  static constexpr int width = Width;
};

template <>
struct NpzImages<> {
  using role = roles::dataset;
  static constexpr std::string_view name = "NpzImages<>";
  static constexpr std::string_view config_name = "npz";
  static constexpr int classes = 0;
  static constexpr int channels = 3;
  static constexpr int height = 0;
  static constexpr int width = 0;
};

} // namespace d2c
