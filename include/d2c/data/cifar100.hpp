#pragma once
/// The CIFAR-100 data set as two types, one for each of its labellings: their facts. Its files are
/// read in data/load_cifar.hpp.

#include <array>
#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

namespace detail {

/// What the two labellings share: 50 000 + 10 000 colour photos, 32 x 32 (Krizhevsky 2009), in the
/// binary version's files.
struct Cifar100Files {
  using role = roles::dataset;
  static constexpr int channels = 3;
  static constexpr int height = 32;
  static constexpr int width = 32;
  /// The folder inside of the published archive, and its files.
  static constexpr std::string_view folder = "cifar-100-binary";
  static constexpr std::array<std::string_view, 1> train_files = {"train.bin"};
  static constexpr std::array<std::string_view, 1> test_files = {"test.bin"};
  /// A record begins with the coarse label and the fine one.
  static constexpr int record_labels = 2;
};

} // namespace detail

/// CIFAR-100 by its 100 fine classes. Source policy of role dataset.
struct Cifar100 : detail::Cifar100Files {
  static constexpr std::string_view name = "Cifar100";
  static constexpr std::string_view config_name = "cifar-100"; ///< value of [data] dataset
  static constexpr int classes = 100;
  static constexpr int train_images_per_class = 500;
  static constexpr int label_index = 1;
  static constexpr std::array<std::string_view, 100> class_names = {
      "apple",       "aquarium fish", "baby",      "bear",       "beaver",       "bed",
      "bee",         "beetle",        "bicycle",   "bottle",     "bowl",         "boy",
      "bridge",      "bus",           "butterfly", "camel",      "can",          "castle",
      "caterpillar", "cattle",        "chair",     "chimpanzee", "clock",        "cloud",
      "cockroach",   "couch",         "crab",      "crocodile",  "cup",          "dinosaur",
      "dolphin",     "elephant",      "flatfish",  "forest",     "fox",          "girl",
      "hamster",     "house",         "kangaroo",  "keyboard",   "lamp",         "lawn mower",
      "leopard",     "lion",          "lizard",    "lobster",    "man",          "maple tree",
      "motorcycle",  "mountain",      "mouse",     "mushroom",   "oak tree",     "orange",
      "orchid",      "otter",         "palm tree", "pear",       "pickup truck", "pine tree",
      "plain",       "plate",         "poppy",     "porcupine",  "possum",       "rabbit",
      "raccoon",     "ray",           "road",      "rocket",     "rose",         "sea",
      "seal",        "shark",         "shrew",     "skunk",      "skyscraper",   "snail",
      "snake",       "spider",        "squirrel",  "streetcar",  "sunflower",    "sweet pepper",
      "table",       "tank",          "telephone", "television", "tiger",        "tractor",
      "train",       "trout",         "tulip",     "turtle",     "wardrobe",     "whale",
      "willow tree", "wolf",          "woman",     "worm"};
};

/// CIFAR-100 by its 20 superclasses of five fine classes each. Source policy of role dataset.
struct Cifar100Coarse : detail::Cifar100Files {
  static constexpr std::string_view name = "Cifar100Coarse";
  static constexpr std::string_view config_name = "cifar-100-coarse"; ///< value of [data] dataset
  static constexpr int classes = 20;
  static constexpr int train_images_per_class = 2500;
  static constexpr int label_index = 0;
  static constexpr std::array<std::string_view, 20> class_names = {"aquatic mammals",
                                                                   "fish",
                                                                   "flowers",
                                                                   "food containers",
                                                                   "fruit and vegetables",
                                                                   "household electrical devices",
                                                                   "household furniture",
                                                                   "insects",
                                                                   "large carnivores",
                                                                   "large man-made outdoor things",
                                                                   "large natural outdoor scenes",
                                                                   "large omnivores and herbivores",
                                                                   "medium mammals",
                                                                   "non-insect invertebrates",
                                                                   "people",
                                                                   "reptiles",
                                                                   "small mammals",
                                                                   "trees",
                                                                   "vehicles 1",
                                                                   "vehicles 2"};
};

} // namespace d2c
