#pragma once
/// The ImageNet-1k data set as a type: its facts. Its files are read in data/open_imagenet.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// ILSVRC 2012 (Russakovsky et al. 2015): 1 281 167 training images in 1000 classes of 732 to 1300,
/// centre-cropped to 256 x 256. Source policy of role dataset.
struct ImageNet {
  using role = roles::dataset;
  static constexpr std::string_view name = "ImageNet";
  static constexpr std::string_view config_name = "imagenet"; ///< value of [data] dataset
  static constexpr int classes = 1000;
  static constexpr int channels = 3;
  static constexpr int height = 256;
  static constexpr int width = 256;
  static constexpr int largest_class = 1300;
};

} // namespace d2c
