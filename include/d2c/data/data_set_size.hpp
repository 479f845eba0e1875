#pragma once
/// Classes and image size of a data set, by its type or, where that leaves them open, by [data].

#include <cstdint>
#include <string>

#include <d2c/core/problem.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/image_set.hpp>

namespace d2c {

/// Zero classes: not known.
struct DataSetSize {
  int classes = 0;
  int channels = 0;
  int height = 0;
  int width = 0;
};

/// The size of `Dataset`. Adds a problem, and returns zeros, where an open type finds no classes or
/// image_size in [data], and where a type that fixes them finds others.
template <class Dataset>
DataSetSize data_set_size(const DataConfig& config, Problems& problems) {
  constexpr std::int64_t most = 1 << 20;
  DataSetSize size{Dataset::classes, Dataset::channels, Dataset::height, Dataset::width};
  const auto given = [&](const char* key, std::int64_t value, bool fits,
                         const std::string& expected) {
    if (!fits) {
      problems.add(std::string("[data] ") + key,
                   "expected " + expected + ", found " + std::to_string(value));
      size.classes = 0;
    }
  };
  const std::string name{Dataset::name};
  if constexpr (Dataset::classes == 0) {
    size.classes = static_cast<int>(config.classes);
    size.height = size.width = static_cast<int>(config.image_size);
    given("classes", config.classes, config.classes > 0 && config.classes <= most,
          "the number of classes, which " + name + " leaves open");
    given("image_size", config.image_size, config.image_size > 0 && config.image_size <= most,
          "the height and width of images, which " + name + " leaves open");
  } else {
    given("classes", config.classes, config.classes == 0 || config.classes == Dataset::classes,
          "none or " + std::to_string(Dataset::classes) + ", which " + name + " has");
    given("image_size", config.image_size,
          config.image_size == 0 ||
              (config.image_size == Dataset::height && config.image_size == Dataset::width),
          "none, because " + name + " has images of " + std::to_string(Dataset::height) + " x " +
              std::to_string(Dataset::width));
  }
  return size;
}

/// The same, but InputError with the problems.
template <class Dataset>
DataSetSize data_set_size(const DataConfig& config) {
  Problems problems;
  const DataSetSize size = data_set_size<Dataset>(config, problems);
  problems.raise();
  return size;
}

/// How many images a split of a data set has as published; 0 where its type does not say
/// (`train_images`, `test_images`).
template <class Dataset>
constexpr std::int64_t published_images(Split split) {
  if constexpr (requires { Dataset::train_images + Dataset::test_images; }) {
    return split == Split::train ? Dataset::train_images : Dataset::test_images;
  } else {
    return 0;
  }
}

} // namespace d2c
