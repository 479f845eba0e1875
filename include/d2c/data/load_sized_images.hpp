#pragma once
/// From images of differing sizes to a set of one size in memory.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include <d2c/core/error.hpp>
#include <d2c/data/adm_crop.hpp>
#include <d2c/data/class_counter.hpp>
#include <d2c/data/colour_planes.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/data_set_size.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/image_source.hpp>

namespace d2c {

namespace detail {

/// Calls work(i) for 0 <= i < count on the machine's cores. After a failure no new call begins, and
/// the failure of the lowest i is thrown.
template <class Work>
void for_each_on_all_cores(std::size_t count, const Work& work) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::size_t failed = count;
  std::exception_ptr failure;
  const auto run = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      try {
        work(i);
      } catch (...) {
        const std::scoped_lock lock{mutex};
        if (i < failed) {
          failed = i;
          failure = std::current_exception();
        }
        next = count;
      }
    }
  };
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::jthread> others;
  for (std::size_t t = 1; t < std::min(cores, count); ++t) {
    others.emplace_back(run);
  }
  run();
  others.clear();
  if (failure) {
    std::rethrow_exception(failure);
  }
}

/// One image as planes of the set's size: as it is if it has that size, else the ADM centre crop.
inline void write_planes(DecodedImage decoded, const std::string& name, const ImageSet& set,
                         std::uint8_t* out) {
  ByteImage image{decoded.width, decoded.height, 3, std::move(decoded.rgb)};
  if (image.width != set.width || image.height != set.height) {
    if (set.width != set.height) {
      throw InputError(set.origin + ": expected images of " + std::to_string(set.height) + " x " +
                       std::to_string(set.width) + ", which is no square to crop to, found \"" +
                       name + "\" of " + std::to_string(image.height) + " x " +
                       std::to_string(image.width));
    }
    image = adm_centre_crop(std::move(image), set.width);
  }
  separate_colours(image, out);
}

} // namespace detail

/// Decodes the images of `source` to pixels [n, 3, height, width]: those of that size as they are,
/// others by the ADM centre crop, which needs a square. [data] limit_per_class keeps the first of
/// each class. InputError on a class without images, on an image that cannot be decoded, and,
/// before anything is decoded, if the set would not fit into this machine's memory.
inline ImageSet load_sized_images(const ImageSource& source, const DataConfig& config,
                                  const DataSetSize& size, std::string origin) {
  ImageSet set;
  set.channels = 3;
  set.height = size.height;
  set.width = size.width;
  set.class_names = source.class_names();
  set.origin = std::move(origin);
  if (static_cast<int>(set.class_names.size()) != size.classes) {
    throw InputError(set.origin + ": expected " + std::to_string(size.classes) +
                     " classes, found " + std::to_string(set.class_names.size()));
  }
  ClassCounter counter{config, set.class_names.size()};
  std::vector<std::int64_t> kept;
  for (std::int64_t i = 0; i < source.size(); ++i) {
    const std::int32_t label = source.label(i);
    if (counter.keep(label)) {
      kept.push_back(i);
      set.labels.push_back(label);
      set.ids.push_back(source.id(i));
    }
  }
  counter.require_all(set.origin, set.class_names);

  const auto image = static_cast<std::uint64_t>(set.image_bytes());
  const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (kept.size() > memory / image) {
    throw InputError(set.origin + ": expected images that fit into " +
                     std::to_string(memory >> 20) + " MiB of memory, found " +
                     std::to_string(kept.size()) + " of " + std::to_string(image) +
                     " bytes ([data] limit_per_class keeps fewer)");
  }
  set.pixels.resize(kept.size() * image);
  detail::for_each_on_all_cores(kept.size(), [&](std::size_t i) {
    detail::write_planes(source.decode(kept[i]), set.ids[i], set, set.pixels.data() + i * image);
  });
  return set;
}

} // namespace d2c
