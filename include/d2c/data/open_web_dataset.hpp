#pragma once
/// Opens and checks the data set type WebDataset. Torch-free.

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
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
#include <d2c/io/is_folder.hpp>

namespace d2c {

namespace web_dataset_detail {

/// The shards of a split, sorted by name: the .tar files of its folder or, where the root has no
/// folder `train`, those in the root, of which names with "val" or "test" are the test split.
/// InputError if the folder cannot be read.
inline std::vector<std::filesystem::path> shards_of(const DataConfig& config, Split split) {
  std::vector<std::filesystem::path> shards;
  const bool whole = split_folder(config, Split::train).empty();
  const auto folder = whole ? std::filesystem::path{config.root} : split_folder(config, split);
  if (!is_folder(folder)) {
    return shards;
  }
  std::error_code reason;
  for (std::filesystem::directory_iterator at{folder, reason}, end; !reason && at != end;
       at.increment(reason)) {
    const std::string name = at->path().filename().string();
    const bool test =
        name.find("val") != std::string::npos || name.find("test") != std::string::npos;
    if (name.ends_with(".tar") && (!whole || test == (split == Split::test))) {
      shards.push_back(at->path());
    }
  }
  if (reason) {
    throw InputError(folder.string() + ": expected a readable folder, found " + reason.message());
  }
  std::sort(shards.begin(), shards.end());
  return shards;
}

inline std::string missing_shards(std::string_view dataset, const DataConfig& config, Split split) {
  if (!is_folder(config.root)) {
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
  if (!is_folder(config.root)) {
    problems.add("[data] root", missing_root(tag.name, config));
    return;
  }
  for (const Split split : {Split::train, Split::test}) {
    if (split == Split::train || needs_test_images) {
      problems.check("[data] root", [&] {
        if (web_dataset_detail::shards_of(config, split).empty()) {
          throw InputError(web_dataset_detail::missing_shards(tag.name, config, split));
        }
      });
    }
  }
  if (size.classes != 0) {
    check_class_list(config.root, size.classes, problems);
  }
}

} // namespace d2c
