#pragma once
/// The ImageNet-1k data set as a type: its facts. Its files are read in data/open_imagenet.hpp.

#include <cstdint>
#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/roles.hpp>

namespace d2c {

/// What the types below share. Classes hold 732 to 1300 training images.
template <int Classes, int Side>
struct ImageNetFacts {
  static_assert(Classes > 0 && Classes <= 1000 && Side > 0,
                "ImageNet: expected 1 to 1000 classes and a positive size");
  using role = roles::dataset;
  static constexpr std::string_view config_name = "imagenet"; ///< value of [data] dataset
  static constexpr int classes = Classes;
  static constexpr int channels = 3;
  static constexpr int height = Side;
  static constexpr int width = Side;
  static constexpr int largest_class = 1300;
  static constexpr std::int64_t train_images = Classes == 1000 ? 1'281'167 : 0; ///< 0: not known
  static constexpr std::int64_t test_images = Classes * 50;
};

/// ILSVRC 2012 (Russakovsky et al. 2015): 1 281 167 training images in 1000 classes, centre-cropped
/// to 256 x 256. Source policy of role dataset.
struct ImageNet : ImageNetFacts<1000, 256> {
  static constexpr std::string_view name = "ImageNet";
};

/// The same files with fewer classes or at another size: ImageNetSubset<100> is a folder of a
/// hundred synsets, ImageNetSubset<1000, 512> all of them at 512 x 512.
template <int Classes, int Side = 256>
struct ImageNetSubset : ImageNetFacts<Classes, Side> {
  static constexpr auto text =
      "ImageNetSubset<" + decimal<Classes>() + ", " + decimal<Side>() + ">";
  static constexpr std::string_view name = text;
};

} // namespace d2c
