#pragma once
/// Opens and checks the data set type WebDataset. Torch-free.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/data/class_list.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/data_set_size.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/image_source.hpp>
#include <d2c/data/pixel_limit_of.hpp>
#include <d2c/data/split_folder.hpp>
#include <d2c/data/web_dataset.hpp>
#include <d2c/data/web_dataset_source.hpp>

namespace d2c {

namespace web_dataset_detail {

/// The shards of a split, sorted by name: the .tar files of its folder or, where the root has no
/// folder `train`, those in the root, of which names with "val" or "test" are the test split.
inline std::vector<std::filesystem::path> shards_of(const DataConfig& config, Split split) {
  std::vector<std::filesystem::path> shards;
  const bool whole = split_folder(config, Split::train).empty();
  const auto folder = whole ? std::filesystem::path{config.root} : split_folder(config, split);
  if (folder.empty() || !std::filesystem::is_directory(folder)) {
    return shards;
  }
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    const std::string name = entry.path().filename().string();
    const bool test =
        name.find("val") != std::string::npos || name.find("test") != std::string::npos;
    if (name.ends_with(".tar") && (!whole || test == (split == Split::test))) {
      shards.push_back(entry.path());
    }
  }
  std::sort(shards.begin(), shards.end());
  return shards;
}

inline std::string missing_shards(std::string_view dataset, const DataConfig& config, Split split) {
  if (config.root.empty() || !std::filesystem::is_directory(config.root)) {
    return missing_root(dataset, config);
  }
  return config.root + ": expected .tar files of the " +
         (split == Split::train
              ? "training split in a folder train or in the root itself, found none"
              : "test split in a folder val, validation or test, or with val or test in their "
                "names, found none");
}

} // namespace web_dataset_detail

/// One split as a list. The shards lie in the folders `train` and `val` (or `validation`, or
/// `test`) of [data] root, or in the root itself, where names with "val" or "test" are the test
/// split. Class names are the lines of classes.txt in the root, or else the numbers.
template <int... Sizes>
std::unique_ptr<WebDatasetSource> open_images(WebDataset<Sizes...> tag, const DataConfig& config,
                                              Split split) {
  const auto size = data_set_size<WebDataset<Sizes...>>(config);
  const auto shards = web_dataset_detail::shards_of(config, split);
  if (shards.empty()) {
    throw InputError("[data] root: " + web_dataset_detail::missing_shards(tag.name, config, split));
  }
  return std::make_unique<WebDatasetSource>(shards, class_list(config.root, size.classes),
                                            pixel_limit_of(config));
}

/// Reports splits without shards, the test split where it is read, and a wrong list of classes;
/// reads no shard.
template <int... Sizes>
void check_images(WebDataset<Sizes...> tag, const DataConfig& config, Problems& problems,
                  bool needs_test_images = true) {
  const auto size = data_set_size<WebDataset<Sizes...>>(config, problems);
  for (const Split split : {Split::train, Split::test}) {
    if ((split == Split::train || needs_test_images) &&
        web_dataset_detail::shards_of(config, split).empty()) {
      problems.add("[data] root", web_dataset_detail::missing_shards(tag.name, config, split));
    }
  }
  if (size.classes != 0) {
    check_class_list(config.root, size.classes, problems);
  }
}

} // namespace d2c
