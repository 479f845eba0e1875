#pragma once
/// A cache of latents as REPA's preprocessing lays it out on disk: read and written.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/repa_list.hpp>
#include <d2c/data/sd_vae_codec.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/leftovers.hpp>
#include <d2c/io/npy.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A folder (REPA calls it vae-sd) with a RepaList and one .npy file for each image: float32
/// [2 C, h, w], means and then deviations, unscaled. Files are read when they are asked for; safe
/// to call from several threads.
class RepaLatents {
public:
  /// Reads the list. Throws as RepaList.
  explicit RepaLatents(const std::filesystem::path& folder) : list_{folder} {}

  [[nodiscard]] const RepaList& list() const { return list_; }

  [[nodiscard]] std::int64_t size() const { return list_.size(); }

  [[nodiscard]] std::int64_t label(std::int64_t i) const { return list_.label(i); }

  /// Means and deviations of the images `indices` as float32 [n, 2 C, h, w]. Throws InputError for
  /// a file that is missing, no such array, of another shape than the first, or holds a number that
  /// is not finite; Failure for an index outside the list.
  [[nodiscard]] Tensor moments(std::span<const std::int64_t> indices) const {
    return read(indices, 1, {});
  }

  /// The means alone, [n, C, h, w], whose files must hold arrays of `shape` ([2 C, h, w]). Errors
  /// as for moments.
  [[nodiscard]] Tensor means(std::span<const std::int64_t> indices,
                             const std::vector<std::int64_t>& shape) const {
    return read(indices, 2, shape);
  }

  /// Throws InputError if the file of image i is missing or does not hold an array of `shape`;
  /// reads no values.
  void require_shape(std::int64_t i, const std::vector<std::int64_t>& shape) const {
    const NpyFile file{list_.file(i)};
    expect(file, list_.file(i), shape);
  }

private:
  static void expect(const NpyFile& file, const std::filesystem::path& path,
                     const std::vector<std::int64_t>& shape) {
    const NpzArray& array = file.array();
    if (array.dtype != DType::F32 || array.shape.size() != 3 || array.shape[0] % 2 != 0 ||
        (!shape.empty() && array.shape != shape)) {
      throw InputError(
          path.string() + ": expected means and deviations " +
          (shape.empty() ? std::string("[2 C, height, width]") : c10::str(at::IntArrayRef(shape))) +
          " of float32, found " + c10::str(at::IntArrayRef(array.shape)) + " of " +
          std::string(name_of(array.dtype)));
    }
  }

  /// The first of `parts` equal parts of each array.
  [[nodiscard]] Tensor read(std::span<const std::int64_t> indices, std::int64_t parts,
                            std::vector<std::int64_t> shape) const {
    const auto n = static_cast<std::int64_t>(indices.size());
    Tensor all;
    const auto allocate = [&] {
      all = at::empty({n, shape[0] / parts, shape[1], shape[2]}, at::kFloat);
    };
    if (!shape.empty()) {
      allocate();
    }
    std::int64_t row = 0;
    for (const std::int64_t index : indices) {
      const std::filesystem::path path = list_.file(index);
      const NpyFile file{path};
      expect(file, path, shape);
      if (!all.defined()) {
        shape = file.array().shape;
        allocate();
      }
      const Tensor to = all[row++];
      std::memcpy(to.mutable_data_ptr(), file.array().bytes.data(), to.nbytes());
      const std::span<const float> values{to.const_data_ptr<float>(),
                                          static_cast<std::size_t>(to.numel())};
      const auto wrong = std::find_if(values.begin(), values.end(),
                                      [](float value) { return !std::isfinite(value); });
      if (wrong != values.end()) {
        throw InputError(path.string() + ": expected finite numbers, found " +
                         std::to_string(*wrong));
      }
    }
    return all.defined() ? all : at::empty({0, 0, 0, 0}, at::kFloat);
  }

  RepaList list_;
};

/// How a cache is written.
struct RepaWriting {
  bool keeps = false;       ///< arrays that are there already, whole and of the right shape
  nlohmann::json made_from; ///< for RepaList::made_from, with "sample" of the arrays; null: none
};

namespace detail {

/// "00012/img-mean-std-00012345.npy"
inline std::string repa_file(std::int64_t image) {
  std::array<char, 48> name{};
  std::snprintf(name.data(), name.size(), "%08lld", static_cast<long long>(image));
  const std::string digits{name.data()};
  return digits.substr(0, 5) + "/img-mean-std-" + digits + ".npy";
}

/// Whether a file holds moments of this shape as an encoder gives them. What a crash of the machine
/// leaves of a file that was not yet on the disk may have the right size and be full of zeros; a
/// deviation is never zero.
inline bool is_sound(const std::filesystem::path& path, const std::vector<std::int64_t>& shape) {
  if (!is_file(path)) {
    return false;
  }
  try {
    const NpyFile file{path};
    const NpzArray& array = file.array();
    if (array.dtype != DType::F32 || array.shape != shape) {
      return false;
    }
    std::vector<float> values(array.bytes.size() / sizeof(float));
    std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
    const auto deviations = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    return std::all_of(values.begin(), deviations, [](float v) { return std::isfinite(v); }) &&
           std::all_of(deviations, values.end(), [](float v) { return std::isfinite(v) && v > 0; });
  } catch (const InputError&) {
    return false;
  }
}

/// Brings everything written to the file system of `folder` to the disk.
inline void sync_file_system(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::syncfs(descriptor) == 0;
  const int reason = errno;
  if (descriptor >= 0) {
    ::close(descriptor);
  }
  if (!synced) {
    throw Failure("cannot write " + folder.string() + ": " + std::strerror(reason));
  }
}

} // namespace detail

/// Writes the cache of all images into `folder`. The list comes last, once all arrays are on the
/// disk, and one that is there goes first: a folder whose writing was interrupted has none. Throws
/// as SDVaeCodec::moments, and Failure where a file cannot be written.
inline void write_repa_latents(const std::filesystem::path& folder, const SDVaeCodec& codec,
                               const ImageSet& images, Progress& progress,
                               const RepaWriting& writing = {}) {
  std::error_code error;
  const auto make_folder = [&](const std::filesystem::path& path) {
    std::filesystem::create_directories(path, error);
    if (error) {
      throw Failure("cannot create the folder " + path.string() + ": " + error.message());
    }
  };
  make_folder(folder);
  if (std::filesystem::remove(folder / RepaList::file_name, error)) {
    detail::sync_file_system(folder);
  }

  const std::vector<std::int64_t> shape{2 * std::int64_t{codec.channels(images)},
                                        codec.height(images), codec.width(images)};
  auto labels = nlohmann::ordered_json::array();
  std::vector<std::int64_t> missing;
  for (std::int64_t i = 0; i < images.size(); ++i) {
    const std::string file = detail::repa_file(i);
    labels.push_back({file, images.labels[static_cast<std::size_t>(i)]});
    if (!writing.keeps || !detail::is_sound(folder / file, shape)) {
      missing.push_back(i);
    }
  }
  constexpr std::size_t at_once = 16;
  std::string made;
  progress.start("encoding latents", images.size(), "images",
                 images.size() - static_cast<std::int64_t>(missing.size()));
  for (std::size_t first = 0; first < missing.size(); first += at_once) {
    const auto some = std::span{missing}.subspan(first, std::min(at_once, missing.size() - first));
    const Tensor moments = codec.moments(images, some);
    for (std::size_t i = 0; i < some.size(); ++i) {
      const std::string file = detail::repa_file(some[i]);
      if (const std::string part = file.substr(0, file.find('/')); part != made) {
        make_folder(folder / part);
        remove_leftovers(folder / part);
        made = part;
      }
      const Tensor row = moments[static_cast<std::int64_t>(i)];
      write_npy(folder / file, DType::F32, shape,
                {static_cast<const std::byte*>(row.const_data_ptr()), row.nbytes()},
                Durability::with_next_sync);
    }
    progress.advance(static_cast<std::int64_t>(some.size()));
  }
  progress.finish();
  detail::sync_file_system(folder);

  nlohmann::ordered_json list{{"labels", std::move(labels)}};
  if (!writing.made_from.is_null()) {
    list["made_from"] = writing.made_from;
    list["made_from"]["sample"] = RepaList::sample_of(folder, images.size(), detail::repa_file);
  }
  write_file_atomically(folder / RepaList::file_name, list.dump() + "\n");
}

} // namespace d2c
