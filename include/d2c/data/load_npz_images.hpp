#pragma once
/// Loads and checks the data set type NpzImages. Torch-free.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/data/class_counter.hpp>
#include <d2c/data/class_list.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/data_set_size.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/npz_images.hpp>
#include <d2c/data/numbered_id.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/is_folder.hpp>
#include <d2c/io/npz.hpp>

namespace d2c {

namespace npz_images_detail {

/// The archive of a split, or an empty path.
inline std::filesystem::path file_of(const DataConfig& config, Split split) {
  const std::filesystem::path root{config.root};
  if (split == Split::train) {
    return is_file(root / "train.npz") ? root / "train.npz" : std::filesystem::path{};
  }
  for (const char* name : {"val.npz", "validation.npz", "test.npz"}) {
    if (is_file(root / name)) {
      return root / name;
    }
  }
  return {};
}

inline std::string missing(const DataConfig& config, Split split) {
  const std::string expected = split == Split::train ? "expected train.npz in "
                                                     : "expected val.npz, validation.npz or "
                                                       "test.npz in ";
  return config.root.empty() ? expected + "a folder named by [data] root, found an empty string"
                             : expected + config.root + ", found no such file";
}

/// Element i of an array of whole numbers, which need not be aligned; unsigned beyond int64 turn
/// negative.
inline std::int64_t whole_number(const NpzArray& array, std::size_t i) {
  const auto read = [&]<class T>(T value) {
    std::memcpy(&value, array.bytes.data() + i * sizeof value, sizeof value);
    return static_cast<std::int64_t>(value);
  };
  switch (array.dtype) {
  case DType::U8:
    return read(std::uint8_t{});
  case DType::I8:
    return read(std::int8_t{});
  case DType::U16:
    return read(std::uint16_t{});
  case DType::I16:
    return read(std::int16_t{});
  case DType::U32:
    return read(std::uint32_t{});
  case DType::I32:
    return read(std::int32_t{});
  default:
    return read(std::int64_t{});
  }
}

inline std::string shape_text(const NpzArray& array) {
  std::string text = std::string(name_of(array.dtype)) + " [";
  for (std::size_t i = 0; i < array.shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(array.shape[i]);
  }
  return text + "]";
}

} // namespace npz_images_detail

/// Loads one split from train.npz, or val.npz, validation.npz or test.npz, in [data] root: arr_0 is
/// uint8 [n, height, width, channels], without the last extent too for grey ones; arr_1 is whole
/// numbers [n]. Class names are the lines of classes.txt in the root, or else the numbers. Ids are
/// "train/000042" by the image's place in the file. InputError on other arrays and labels, and on a
/// class without images.
template <int... Sizes>
ImageSet load_images(NpzImages<Sizes...>, const DataConfig& config, Split split) {
  using namespace npz_images_detail;
  const auto size = data_set_size<NpzImages<Sizes...>>(config);
  const auto path = file_of(config, split);
  if (path.empty()) {
    throw InputError("[data] root: " + missing(config, split));
  }
  const NpzFile file{path};
  const NpzArray images = file.array("arr_0");
  const NpzArray labels = file.array("arr_1");
  const auto wrong = [&](const NpzArray& array, const std::string& expected) {
    return InputError(path.string() + ": expected " + array.name + " as " + expected + ", found " +
                      shape_text(array));
  };
  std::vector<std::int64_t> shape{images.shape.empty() ? 0 : images.shape[0], size.height,
                                  size.width, size.channels};
  const bool flat = size.channels == 1 && images.shape.size() == 3;
  if (flat) {
    shape.pop_back();
  }
  if (images.dtype != DType::U8 || images.shape != shape) {
    throw wrong(images, "U8 [n, " + std::to_string(size.height) + ", " +
                            std::to_string(size.width) + ", " + std::to_string(size.channels) +
                            "]");
  }
  const bool whole = labels.dtype == DType::U8 || labels.dtype == DType::I8 ||
                     labels.dtype == DType::U16 || labels.dtype == DType::I16 ||
                     labels.dtype == DType::U32 || labels.dtype == DType::I32 ||
                     labels.dtype == DType::I64;
  if (!whole || labels.shape != std::vector<std::int64_t>{images.shape[0]}) {
    throw wrong(labels, "whole numbers [" + std::to_string(images.shape[0]) + "]");
  }

  ImageSet set;
  set.channels = size.channels;
  set.height = size.height;
  set.width = size.width;
  set.class_names = class_list(config.root, size.classes);
  set.origin = path.string();
  ClassCounter counter{config, set.class_names.size()};
  const auto channels = static_cast<std::size_t>(size.channels);
  const auto bytes = static_cast<std::size_t>(set.image_bytes());
  const std::size_t plane = bytes / channels;
  for (std::size_t i = 0; i < static_cast<std::size_t>(images.shape[0]); ++i) {
    const std::int64_t label = whole_number(labels, i);
    if (label < 0 || label >= size.classes) {
      throw InputError(path.string() + ": expected labels 0 to " +
                       std::to_string(size.classes - 1) + ", found " + std::to_string(label) +
                       " for image " + std::to_string(i));
    }
    if (!counter.keep(static_cast<std::int32_t>(label))) {
      continue;
    }
    set.labels.push_back(static_cast<std::int32_t>(label));
    set.ids.push_back(numbered_id(split, i));
    const auto* from = reinterpret_cast<const std::uint8_t*>(images.bytes.data()) + i * bytes;
    const std::size_t begin = set.pixels.size();
    set.pixels.resize(begin + bytes);
    for (std::size_t c = 0; c < channels; ++c) {
      for (std::size_t p = 0; p < plane; ++p) {
        set.pixels[begin + c * plane + p] = from[p * channels + c];
      }
    }
  }
  counter.require_all(set.origin, set.class_names);
  return set;
}

/// Reports archives that are not there and a wrong list of classes, without reading an archive.
template <int... Sizes>
void check_images(NpzImages<Sizes...>, const DataConfig& config, Problems& problems) {
  const auto size = data_set_size<NpzImages<Sizes...>>(config, problems);
  for (const Split split : {Split::train, Split::test}) {
    if (config.root.empty() || npz_images_detail::file_of(config, split).empty()) {
      problems.add("[data] root", npz_images_detail::missing(config, split));
    }
  }
  if (size.classes != 0 && is_folder(config.root)) {
    check_class_list(config.root, size.classes, problems);
  }
}

} // namespace d2c
