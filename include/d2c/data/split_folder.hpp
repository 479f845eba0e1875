#pragma once
/// Where the splits of a data set in a folder lie.

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include <d2c/core/error.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/io/is_folder.hpp>

namespace d2c {

/// The folder of a split: `train`, and `val`, `validation` or `test`, in [data] root; empty if
/// there is none of those names.
inline std::filesystem::path split_folder(const DataConfig& config, Split split) {
  const std::filesystem::path root{config.root};
  if (split == Split::train) {
    return is_folder(root / "train") ? root / "train" : std::filesystem::path{};
  }
  for (const char* name : {"val", "validation", "test"}) {
    if (is_folder(root / name)) {
      return root / name;
    }
  }
  return {};
}

/// The sentence about a data set without its folder.
inline std::string missing_root(std::string_view dataset, const DataConfig& config) {
  return "expected the folder of " + std::string(dataset) + ", found " +
         (config.root.empty() ? "an empty string" : "no folder at " + config.root);
}

/// The sentence about a data set of training images alone.
inline std::string missing_test_split(const DataConfig& config) {
  return config.root + ": expected a folder val, validation or test beside the training images, "
                       "found none";
}

} // namespace d2c
