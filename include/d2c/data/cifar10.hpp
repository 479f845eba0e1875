#pragma once
/// The CIFAR-10 data set as a type: its facts. Its files are read in data/load_cifar.hpp.

#include <array>
#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// 50 000 + 10 000 colour photos, 32 x 32, ten balanced classes (Krizhevsky, "Learning multiple
/// layers of features from tiny images", 2009), in the binary version's files. Source policy of
/// role dataset.
struct Cifar10 {
  using role = roles::dataset;
  static constexpr std::string_view name = "Cifar10";
  static constexpr std::string_view config_name = "cifar-10"; ///< value of [data] dataset
  static constexpr int classes = 10;
  static constexpr int channels = 3;
  static constexpr int height = 32;
  static constexpr int width = 32;
  static constexpr int train_images_per_class = 5000;
  static constexpr std::array<std::string_view, 10> class_names = {
      "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  /// The folder inside of the published archive, and its files.
  static constexpr std::string_view folder = "cifar-10-batches-bin";
  static constexpr std::array<std::string_view, 5> train_files = {
      "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin",
      "data_batch_5.bin"};
  static constexpr std::array<std::string_view, 1> test_files = {"test_batch.bin"};
  /// A record begins with so many labels, of which this one counts.
  static constexpr int record_labels = 1;
  static constexpr int label_index = 0;
};

} // namespace d2c
