#pragma once
/// Loads CIFAR-10 and CIFAR-100 from the files of their binary versions. Torch-free.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/data/cifar10.hpp>
#include <d2c/data/cifar100.hpp>
#include <d2c/data/class_counter.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/numbered_id.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/is_folder.hpp>
#include <d2c/io/mapped_file.hpp>

namespace d2c {

/// A data set of records in the CIFAR layout: labels of a byte each, then the red, green and blue
/// planes, row by row.
template <class T>
concept CifarFiles = requires {
  T::train_files;
  T::test_files;
  T::record_labels;
  T::label_index;
};

namespace cifar_detail {

template <CifarFiles D>
std::vector<std::string> file_names(Split split) {
  if (split == Split::train) {
    return {D::train_files.begin(), D::train_files.end()};
  }
  return {D::test_files.begin(), D::test_files.end()};
}

/// The folder of the files: the root itself, or the archive's folder in it.
template <CifarFiles D>
std::filesystem::path folder_of(const DataConfig& config) {
  const std::filesystem::path root{config.root};
  const std::filesystem::path inner = root / D::folder;
  return is_folder(inner) ? inner : root;
}

template <CifarFiles D>
std::string missing(const DataConfig& config, const std::string& file) {
  const std::string expected = "expected " + std::string(D::name) + "'s " + file;
  return config.root.empty()
             ? expected + " in a folder named by [data] root, found an empty string"
             : expected + " in " + folder_of<D>(config).string() +
                   ", found no such file (the binary version's archive unpacks to " +
                   std::string(D::folder) + ")";
}

template <CifarFiles D>
bool has_file(const DataConfig& config, const std::string& file) {
  return !config.root.empty() && is_file(folder_of<D>(config) / file);
}

} // namespace cifar_detail

/// Loads one split: pixels [n, 3, 32, 32], labels, ids "train/000042" by the image's place in the
/// split. InputError on a missing file, on one that is not a whole number of records, on a label
/// out of range, and on a class without images. [data] limit_per_class keeps the first of each
/// class.
template <CifarFiles D>
ImageSet load_images(D, const DataConfig& config, Split split) {
  constexpr std::size_t image = std::size_t{D::channels} * D::height * D::width;
  constexpr std::size_t record = D::record_labels + image;
  const auto folder = cifar_detail::folder_of<D>(config);
  ImageSet set;
  set.channels = D::channels;
  set.height = D::height;
  set.width = D::width;
  set.class_names.assign(D::class_names.begin(), D::class_names.end());
  set.origin = folder.string();

  ClassCounter counter{config, D::class_names.size()};
  std::size_t place = 0;
  for (const std::string& name : cifar_detail::file_names<D>(split)) {
    if (!cifar_detail::has_file<D>(config, name)) {
      throw InputError(cifar_detail::missing<D>(config, name));
    }
    const MappedFile file{folder / name};
    const std::span<const std::byte> bytes = file.bytes();
    if (bytes.empty() || bytes.size() % record != 0) {
      throw InputError(file.path().string() + ": expected a whole number of records of " +
                       std::to_string(record) + " bytes, found " + std::to_string(bytes.size()) +
                       " bytes");
    }
    for (std::size_t at = 0; at < bytes.size(); at += record, ++place) {
      const auto label = std::to_integer<std::int32_t>(bytes[at + D::label_index]);
      if (label >= D::classes) {
        throw InputError(file.path().string() + ": expected labels 0 to " +
                         std::to_string(D::classes - 1) + ", found " + std::to_string(label) +
                         " in record " + std::to_string(at / record));
      }
      if (!counter.keep(label)) {
        continue;
      }
      set.labels.push_back(label);
      set.ids.push_back(numbered_id(split, place));
      const auto* pixels = reinterpret_cast<const std::uint8_t*>(bytes.data()) + at;
      set.pixels.insert(set.pixels.end(), pixels + D::record_labels, pixels + record);
    }
  }
  counter.require_all(set.origin, set.class_names);
  return set;
}

/// Reports every file of the data set that is not there, without reading any.
template <CifarFiles D>
void check_images(D, const DataConfig& config, Problems& problems) {
  for (const Split split : {Split::train, Split::test}) {
    for (const std::string& name : cifar_detail::file_names<D>(split)) {
      if (!cifar_detail::has_file<D>(config, name)) {
        problems.add("[data] root", cifar_detail::missing<D>(config, name));
      }
    }
  }
}

} // namespace d2c
