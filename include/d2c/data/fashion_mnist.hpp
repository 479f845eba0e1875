#pragma once
/// The Fashion-MNIST data set as a type: its facts. Its files are read in
/// data/load_fashion_mnist.hpp.

#include <array>
#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// 60 000 + 10 000 grey pictures of clothing, 28 x 28, ten balanced classes (Xiao, Rasul, Vollgraf,
/// arXiv 1708.07747). Source policy of role dataset.
struct FashionMNIST {
  using role = roles::dataset;
  static constexpr std::string_view name = "FashionMNIST";
  static constexpr std::string_view config_name = "fashion-mnist"; ///< value of [data] dataset
  static constexpr int classes = 10;
  static constexpr int channels = 1;
  static constexpr int height = 28;
  static constexpr int width = 28;
  static constexpr int train_images_per_class = 6000;
  static constexpr std::array<std::string_view, 10> class_names = {
      "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
      "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  /// Where the Debian package dataset-fashion-mnist puts the files.
  static constexpr std::string_view default_root = "/usr/share/datasets/fashion-mnist";
};

} // namespace d2c
