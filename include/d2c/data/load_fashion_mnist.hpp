#pragma once
/// Loads Fashion-MNIST from its four IDX files, gzipped or not. Torch-free.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/data/class_counter.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/fashion_mnist.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/numbered_id.hpp>
#include <d2c/io/idx.hpp>
#include <d2c/io/is_file.hpp>

namespace d2c {

namespace fashion_mnist_detail {

inline std::filesystem::path root_of(const DataConfig& config) {
  return config.root.empty() ? std::filesystem::path(FashionMNIST::default_root)
                             : std::filesystem::path(config.root);
}

/// The file under its package name or uncompressed; empty if neither is there.
inline std::filesystem::path find_file(const std::filesystem::path& root, const std::string& stem) {
  for (const std::string& name : {stem + ".gz", stem}) {
    if (is_file(root / name)) {
      return root / name;
    }
  }
  return {};
}

inline std::string missing(const std::filesystem::path& root, const std::string& stem) {
  return "expected Fashion-MNIST's " + stem + ".gz in " + root.string() +
         ", found no such file (the Debian package dataset-fashion-mnist installs it in " +
         std::string(FashionMNIST::default_root) + "; [data] root names another folder)";
}

inline std::filesystem::path require_file(const std::filesystem::path& root,
                                          const std::string& stem) {
  auto path = find_file(root, stem);
  if (path.empty()) {
    throw InputError(missing(root, stem));
  }
  return path;
}

inline std::string stem_of(Split split, bool images) {
  return std::string(split == Split::train ? "train" : "t10k") +
         (images ? "-images-idx3-ubyte" : "-labels-idx1-ubyte");
}

} // namespace fashion_mnist_detail

/// Loads one split: pixels [n, 1, 28, 28], labels 0..9, ids "train/000042" or "test/000042" by the
/// image's place in the file. [data] limit_per_class keeps the first images of each class. Missing,
/// foreign or damaged files, and a class without images, are an InputError.
template <class = Once>
ImageSet load_images(FashionMNIST, const DataConfig& config, Split split) {
  using namespace fashion_mnist_detail;
  const std::filesystem::path root = root_of(config);
  const auto images_path = require_file(root, stem_of(split, true));
  const auto labels_path = require_file(root, stem_of(split, false));
  IdxArray images = read_idx(images_path, 3);
  IdxArray labels = read_idx(labels_path, 1);
  if (images.shape[1] != FashionMNIST::height || images.shape[2] != FashionMNIST::width) {
    throw InputError(images_path.string() + ": expected images of 28 x 28, found " +
                     std::to_string(images.shape[1]) + " x " + std::to_string(images.shape[2]));
  }
  if (images.shape[0] != labels.shape[0]) {
    throw InputError(labels_path.string() + ": expected one label for each of the " +
                     std::to_string(images.shape[0]) + " images, found " +
                     std::to_string(labels.shape[0]));
  }
  ImageSet set;
  set.channels = FashionMNIST::channels;
  set.height = FashionMNIST::height;
  set.width = FashionMNIST::width;
  set.class_names.assign(FashionMNIST::class_names.begin(), FashionMNIST::class_names.end());
  set.origin = root.string();

  const auto size = static_cast<std::size_t>(set.image_bytes());
  ClassCounter counter{config, FashionMNIST::classes};
  std::size_t kept = 0;
  for (std::size_t i = 0; i < labels.values.size(); ++i) {
    const std::uint8_t label = labels.values[i];
    if (label >= FashionMNIST::classes) {
      throw InputError(labels_path.string() + ": expected labels 0 to 9, found " +
                       std::to_string(label) + " for image " + std::to_string(i));
    }
    if (!counter.keep(label)) {
      continue;
    }
    set.labels.push_back(label);
    set.ids.push_back(numbered_id(split, i));
    if (kept != i) {
      std::copy_n(images.values.data() + i * size, size, images.values.data() + kept * size);
    }
    ++kept;
  }
  images.values.resize(kept * size);
  set.pixels = std::move(images.values);
  counter.require_all(labels_path.string(), set.class_names);
  return set;
}
D2C_COMPILED_ONCE(ImageSet load_images<>(FashionMNIST, const DataConfig&, Split))

/// Reports every file of the data set that is not there, without reading any.
inline void check_images(FashionMNIST, const DataConfig& config, Problems& problems) {
  using namespace fashion_mnist_detail;
  const std::filesystem::path root = root_of(config);
  for (const Split split : {Split::train, Split::test}) {
    for (const bool images : {true, false}) {
      if (find_file(root, stem_of(split, images)).empty()) {
        problems.add("[data] root", missing(root, stem_of(split, images)));
      }
    }
  }
}

} // namespace d2c
