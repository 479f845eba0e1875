#pragma once
/// Opens and checks ImageNet from the folders of its published archives. Torch-free.

#include <concepts>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/image_folder_source.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/image_source.hpp>
#include <d2c/data/imagenet.hpp>
#include <d2c/data/pixel_limit_of.hpp>
#include <d2c/data/split_folder.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/is_folder.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/utf8_name.hpp>

namespace d2c {

namespace imagenet_detail {

/// The file of class names in the root, or an empty path.
inline std::filesystem::path names_file(const DataConfig& config) {
  for (const char* name : {"LOC_synset_mapping.txt", "synset_words.txt"}) {
    const auto path = std::filesystem::path{config.root} / name;
    if (is_file(path)) {
      return path;
    }
  }
  return {};
}

/// Lines "n01440764 tench, Tinca tinca": the first name of each synset.
inline std::map<std::string, std::string> read_names(const std::filesystem::path& path) {
  const MappedFile file{path};
  std::map<std::string, std::string> names;
  std::string_view rest = file.text();
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    const auto blank = line.find(' ');
    const std::string_view words =
        blank == std::string_view::npos ? std::string_view{} : line.substr(blank + 1);
    const std::string_view first = words.substr(0, words.find(','));
    if (line.empty() && rest.empty()) {
      break;
    }
    if (blank == 0 || first.empty()) {
      throw InputError(path.string() + ":" + std::to_string(number) +
                       ": expected a synset, a blank and its names, found \"" +
                       std::string(line.substr(0, 80)) + "\"");
    }
    require_utf8(path.string(), first);
    names[std::string(line.substr(0, blank))] = first;
  }
  return names;
}

/// Adds what is wrong with a split's folder, by the names of its class folders alone.
inline void check_split(int classes, const DataConfig& config, Split split, Problems& problems) {
  const auto folder = split_folder(config, split);
  if (folder.empty()) {
    problems.add("[data] root", split == Split::test
                                    ? missing_test_split(config)
                                    : config.root + ": expected a folder train, found none");
    return;
  }
  const auto synsets = folders_in(folder);
  if (static_cast<int>(synsets.size()) != classes) {
    problems.add(folder.string(), "expected " + std::to_string(classes) +
                                      " folders, one for each synset, found " +
                                      std::to_string(synsets.size()));
  }
  for (const std::string& name : synsets) {
    if (name.size() != 9 || name[0] != 'n' ||
        name.find_first_not_of("0123456789", 1) != std::string::npos) {
      problems.add(folder.string(),
                   "expected folders named by synsets such as n01440764, found \"" + name + "\"");
      return;
    }
  }
}

/// A split as a list, of a data set of that name with so many classes.
template <class = Once>
std::unique_ptr<ImageFolderSource> open(std::string_view dataset, int classes,
                                        const DataConfig& config, Split split) {
  Problems problems;
  if (config.root.empty() || !is_folder(config.root)) {
    problems.add("[data] root", missing_root(dataset, config));
  } else {
    check_split(classes, config, split, problems);
  }
  problems.raise();
  const auto folder = split_folder(config, split);
  auto source = std::make_unique<ImageFolderSource>(folder, folder.filename().string() + "/",
                                                    pixel_limit_of(config));
  const auto file = imagenet_detail::names_file(config);
  if (!file.empty()) {
    const auto names = imagenet_detail::read_names(file);
    std::vector<std::string> by_label;
    for (const std::string& synset : source->class_names()) {
      const auto found = names.find(synset);
      if (found == names.end()) {
        throw InputError(file.string() + ": expected a line for synset " + synset + ", found none");
      }
      by_label.push_back(found->second);
    }
    source->set_class_names(std::move(by_label));
  }
  return source;
}
D2C_COMPILED_ONCE(std::unique_ptr<ImageFolderSource> open<>(std::string_view, int,
                                                            const DataConfig&, Split))

} // namespace imagenet_detail

/// ImageNet or a subset of it.
template <class D>
concept ImageNetDataset = requires {
  D::name;
  requires std::derived_from<D, ImageNetFacts<D::classes, D::height>>;
};

/// One split as a list: `train` and `val` in [data] root, each with one folder for each class,
/// named by synset, of which the sorted order is the order of the classes. Class names are the
/// first names of LOC_synset_mapping.txt or synset_words.txt in the root, or else the synsets. Ids
/// are paths relative to the root.
template <ImageNetDataset D>
std::unique_ptr<ImageFolderSource> open_images(D, const DataConfig& config, Split split) {
  return imagenet_detail::open(D::name, D::classes, config, split);
}

/// Reports folders that are not there and folders that are no synsets, those of the test split
/// where it is read; lists no images.
template <ImageNetDataset D>
void check_images(D, const DataConfig& config, Problems& problems, bool needs_test_images = true) {
  if (config.root.empty() || !is_folder(config.root)) {
    problems.add("[data] root", missing_root(D::name, config));
    return;
  }
  imagenet_detail::check_split(D::classes, config, Split::train, problems);
  if (needs_test_images) {
    imagenet_detail::check_split(D::classes, config, Split::test, problems);
  }
}

} // namespace d2c
