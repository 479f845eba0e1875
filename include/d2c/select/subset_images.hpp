#pragma once
/// Where the rows of a subset are found in the data set they were chosen from. Torch-free.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/select/subset_file.hpp>

namespace d2c {

/// The index in `images` of every row of the subset.csv at `path`, in its order. InputError if an
/// id is not in the data set, or is of another class there.
template <class = Once>
std::vector<std::int64_t> subset_indices(const std::filesystem::path& path,
                                         const ImageSet& images) {
  std::unordered_map<std::string_view, std::int64_t> by_id;
  by_id.reserve(images.ids.size());
  for (std::int64_t i = 0; i < images.size(); ++i) {
    by_id.emplace(images.ids[static_cast<std::size_t>(i)], i);
  }
  std::vector<std::int64_t> indices;
  for (const SubsetRow& row : read_subset(path)) {
    const auto found = by_id.find(row.id);
    if (found == by_id.end()) {
      throw InputError(path.string() + ": expected ids of the images in " + images.origin +
                       ", found \"" + row.id + "\", which is not among its " +
                       std::to_string(images.size()) + " images");
    }
    const std::int32_t label = images.labels[static_cast<std::size_t>(found->second)];
    if (label != row.label) {
      throw InputError(path.string() + ": expected image " + row.id + " in class " +
                       std::to_string(label) + " as in " + images.origin + ", found class " +
                       std::to_string(row.label));
    }
    indices.push_back(found->second);
  }
  return indices;
}
D2C_COMPILED_ONCE(std::vector<std::int64_t> subset_indices<>(const std::filesystem::path&,
                                                             const ImageSet&))

} // namespace d2c
