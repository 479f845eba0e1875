#pragma once
/// Opens and checks the data set type ImageFolder. Torch-free.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/data_set_size.hpp>
#include <d2c/data/image_folder.hpp>
#include <d2c/data/image_folder_source.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/image_source.hpp>
#include <d2c/data/pixel_limit_of.hpp>
#include <d2c/data/split_folder.hpp>
#include <d2c/io/is_folder.hpp>

namespace d2c {

namespace image_folder_detail {

/// The folder of a split's classes. Without a folder `train`, the root itself is the training
/// split.
inline std::filesystem::path folder_of(std::string_view dataset, const DataConfig& config,
                                       Split split) {
  if (config.root.empty() || !is_folder(config.root)) {
    throw InputError("[data] root: " + missing_root(dataset, config));
  }
  std::filesystem::path folder = split_folder(config, split);
  const bool whole = split_folder(config, Split::train).empty();
  if (split == Split::train) {
    return whole ? std::filesystem::path{config.root} : folder;
  }
  if (whole || folder.empty()) {
    throw InputError(missing_test_split(config));
  }
  return folder;
}

/// The sentence about two splits of other classes; empty if they agree.
inline std::string difference(const std::filesystem::path& folder,
                              const std::vector<std::string>& train,
                              const std::vector<std::string>& test) {
  for (std::size_t i = 0; i < std::max(train.size(), test.size()); ++i) {
    if (i >= train.size() || i >= test.size() || train[i] != test[i]) {
      const bool lacks = i < train.size() && (i >= test.size() || train[i] < test[i]);
      return folder.string() + ": expected the classes of the training images, found " +
             (lacks ? "none of the name \"" + train[i] : "besides them \"" + test[i]) + "\"";
    }
  }
  return {};
}

} // namespace image_folder_detail

/// One split as a list: [data] root holds `train` and `val` (or `validation`, or `test`) with one
/// folder for each class, or, for training images alone, the classes' folders themselves. Ids are
/// paths relative to the root. InputError if the splits' classes differ.
template <int... Sizes>
std::unique_ptr<ImageFolderSource> open_images(ImageFolder<Sizes...> tag, const DataConfig& config,
                                               Split split) {
  using namespace image_folder_detail;
  const auto folder = folder_of(tag.name, config, split);
  const bool whole = folder == std::filesystem::path{config.root};
  auto source = std::make_unique<ImageFolderSource>(
      folder, whole ? std::string{} : folder.filename().string() + "/", pixel_limit_of(config));
  if (split == Split::test) {
    const auto train = folders_in(folder_of(tag.name, config, Split::train));
    const std::string wrong = difference(folder, train, source->class_names());
    if (!wrong.empty()) {
      throw InputError(wrong);
    }
  }
  return source;
}

/// Reports folders that are not there, splits of other classes and a wrong number of classes; lists
/// no images. The test split may be missing where it is not read.
template <int... Sizes>
void check_images(ImageFolder<Sizes...> tag, const DataConfig& config, Problems& problems,
                  bool needs_test_images = true) {
  using namespace image_folder_detail;
  if (config.root.empty() || !is_folder(config.root)) {
    problems.add("[data] root", missing_root(tag.name, config));
    return;
  }
  const auto size = data_set_size<ImageFolder<Sizes...>>(config, problems);
  const auto folder = folder_of(tag.name, config, Split::train);
  const auto classes = folders_in(folder);
  if (size.classes != 0 && static_cast<int>(classes.size()) != size.classes) {
    problems.add(folder.string(), "expected one folder for each of " +
                                      std::to_string(size.classes) + " classes, found " +
                                      std::to_string(classes.size()));
  }
  if (needs_test_images && !split_folder(config, Split::train).empty()) {
    const auto test = split_folder(config, Split::test);
    const std::string wrong =
        test.empty() ? missing_test_split(config) : difference(test, classes, folders_in(test));
    if (!wrong.empty()) {
      problems.add("[data] root", wrong);
    }
  }
}

} // namespace d2c
