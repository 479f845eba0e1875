#pragma once
/// Tar files of images in the WebDataset layout, as a type: its facts. Its files are read in
/// data/open_web_dataset.hpp.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// WebDataset<10, 64>: PNG and JPEG files of ten classes in tar files, as RGB images of 64 x 64.
/// WebDataset<> takes the classes and the size from [data] classes and image_size. Source policy of
/// role dataset.
template <int Classes = 0, int Height = 0, int Width = Height>
struct WebDataset {
  static_assert(Classes > 0 && Height > 0 && Width > 0,
                "WebDataset: expected positive sizes, or none at all");
  using role = roles::dataset;
  static constexpr auto text =
      "WebDataset<" + decimal<Classes>() + ", " + decimal<Height>() + ", " + decimal<Width>() + ">";
  static constexpr std::string_view name = text;
  static constexpr std::string_view config_name = "webdataset"; ///< value of [data] dataset
  static constexpr int classes = Classes;
  static constexpr int channels = 3;
  static constexpr int height = Height;
  static constexpr int width = Width;
};

template <>
struct WebDataset<> {
  using role = roles::dataset;
  static constexpr std::string_view name = "WebDataset<>";
  static constexpr std::string_view config_name = "webdataset";
  static constexpr int classes = 0;
  static constexpr int channels = 3;
  static constexpr int height = 0;
  static constexpr int width = 0;
};

} // namespace d2c
