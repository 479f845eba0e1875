#pragma once
/// Reference batches: archives with images and the moments of a larger set, by which generators are
/// compared across papers. Also plain archives of samples, which are the same without moments.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/evaluate/feature_statistics.hpp>
#include <d2c/io/npz.hpp>
#include <d2c/io/npz_writer.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// An .npz file in the layout of ADM's evaluator, mapped: `arr_0` images uint8 [n, H, W, 3]; `mu`
/// [2048] and `sigma` of the pooled, `mu_s` [2023] and `sigma_s` of the spatial features of
/// Inception-v3, float32 or float64. Every part is optional, but mean and covariance come together.
/// Throws InputError for another file, shape or type, and for moments that are not finite.
class ReferenceBatch {
public:
  explicit ReferenceBatch(const std::filesystem::path& path)
      : path_{path}, file_{path}, names_{file_.names()} {
    if (has("arr_0")) {
      images_ = file_.array("arr_0");
      if (images_->dtype != DType::U8 || images_->shape.size() != 4 || images_->shape[3] != 3) {
        throw InputError(path.string() +
                         ": expected \"arr_0\" to hold images [n, H, W, 3] of "
                         "uint8, found shape " +
                         c10::str(at::IntArrayRef{images_->shape}) + " of " +
                         std::string{name_of(images_->dtype)});
      }
    }
    moments_ = read_moments("mu", "sigma");
    spatial_ = read_moments("mu_s", "sigma_s");
    if (!images_ && !moments_) {
      throw InputError(path.string() + ": expected images (arr_0) or moments (mu and sigma), found "
                                       "neither");
    }
  }

  /// How many images the file holds; its moments may come from more.
  [[nodiscard]] std::int64_t size() const { return images_ ? images_->shape[0] : 0; }

  /// Images begin ... end as uint8 [end - begin, 3, H, W]; no others are read. Throws InputError if
  /// they are not there.
  [[nodiscard]] Tensor images(std::int64_t begin, std::int64_t end) const {
    if (begin < 0 || begin > end || end > size()) {
      throw InputError(path_.string() + ": expected images " + std::to_string(begin) + " to " +
                       std::to_string(end) + ", found " + std::to_string(size()) + " images");
    }
    if (!images_) {
      return at::empty({0, 3, 0, 0}, at::kByte);
    }
    const Tensor some =
        at::empty({end - begin, images_->shape[1], images_->shape[2], 3}, at::kByte);
    const auto each = static_cast<std::size_t>(images_->shape[1] * images_->shape[2] * 3);
    if (some.numel() > 0) {
      std::memcpy(some.data_ptr(), images_->bytes.data() + static_cast<std::size_t>(begin) * each,
                  some.nbytes());
    }
    return some.permute({0, 3, 1, 2});
  }

  /// The stored moments of the pooled features; their count is 0, the file does not say it.
  [[nodiscard]] const std::optional<FeatureMoments>& moments() const { return moments_; }

  /// The stored moments of the spatial features.
  [[nodiscard]] const std::optional<FeatureMoments>& spatial_moments() const { return spatial_; }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
  [[nodiscard]] bool has(const std::string& name) const {
    return std::find(names_.begin(), names_.end(), name) != names_.end();
  }

  [[nodiscard]] Tensor read(const std::string& name, const std::vector<std::int64_t>& shape) const {
    const NpzArray array = file_.array(name);
    const bool single = array.dtype == DType::F32;
    if ((!single && array.dtype != DType::F64) || (!shape.empty() && array.shape != shape) ||
        (shape.empty() && (array.shape.size() != 1 || array.shape[0] < 1))) {
      throw InputError(
          path_.string() + ": expected \"" + name + "\" to hold floats of " +
          (shape.empty() ? std::string{"one axis"} : "shape " + c10::str(at::IntArrayRef{shape})) +
          ", found shape " + c10::str(at::IntArrayRef{array.shape}) + " of " +
          std::string{name_of(array.dtype)});
    }
    const Tensor values = at::empty(array.shape, single ? at::kFloat : at::kDouble);
    std::memcpy(values.data_ptr(), array.bytes.data(), values.nbytes());
    return values.to(at::kDouble);
  }

  [[nodiscard]] std::optional<FeatureMoments> read_moments(const std::string& mean,
                                                           const std::string& covariance) const {
    if (!has(mean) && !has(covariance)) {
      return std::nullopt;
    }
    if (!has(mean) || !has(covariance)) {
      throw InputError(path_.string() + ": expected \"" + mean + "\" and \"" + covariance +
                       "\" together, found one of them");
    }
    FeatureMoments moments;
    moments.mean = read(mean, {});
    moments.covariance = read(covariance, {moments.mean.numel(), moments.mean.numel()});
    for (const std::string& name : {mean, covariance}) {
      const Tensor& values = name == mean ? moments.mean : moments.covariance;
      if (!at::isfinite(values).all().item<bool>()) {
        throw InputError(path_.string() + ": expected finite numbers in \"" + name +
                         "\", found a NaN or an infinity");
      }
    }
    return moments;
  }

  std::filesystem::path path_;
  NpzFile file_;
  std::vector<std::string> names_;
  std::optional<NpzArray> images_;
  std::optional<FeatureMoments> moments_;
  std::optional<FeatureMoments> spatial_;
};

/// Writes a reference batch that ADM's evaluator and ReferenceBatch read: the moments in float64,
/// and `count` images, of which images_of(begin, end) gives some as uint8 [n, C, H, W], C = 1
/// (repeated) or 3. Spatial moments that are undefined are left out, and images where count is 0.
/// Failure if the images change their size or writing fails.
template <class = Once>
void write_reference_batch(const std::filesystem::path& path, const FeatureMoments& moments,
                           const FeatureMoments& spatial, std::int64_t count,
                           const std::function<Tensor(std::int64_t, std::int64_t)>& images_of) {
  constexpr std::int64_t at_once = 256;
  NpzWriter writer{path};
  const auto put = [&](const Tensor& tensor) {
    writer.append({static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()});
  };
  const auto write = [&](const std::string& name, const Tensor& values) {
    const Tensor flat = values.to(at::kCPU, at::kDouble).contiguous();
    writer.begin(name, DType::F64, flat.sizes().vec());
    put(flat);
  };
  if (count > 0) {
    const Tensor first = images_of(0, 1);
    writer.begin("arr_0", DType::U8, {count, first.size(2), first.size(3), 3});
    for (std::int64_t begin = 0; begin < count; begin += at_once) {
      const Tensor some = images_of(begin, std::min(count, begin + at_once));
      if (some.sizes().slice(1) != first.sizes().slice(1)) {
        throw Failure(path.string() + ": expected images of one size, " +
                      c10::str(first.sizes().slice(1)) + ", found " +
                      c10::str(some.sizes().slice(1)));
      }
      put(some.expand({-1, 3, -1, -1}).permute({0, 2, 3, 1}).contiguous());
    }
  }
  write("mu", moments.mean);
  write("sigma", moments.covariance);
  if (spatial.mean.defined()) {
    write("mu_s", spatial.mean);
    write("sigma_s", spatial.covariance);
  }
  writer.commit();
}
D2C_COMPILED_ONCE(void write_reference_batch<>(
    const std::filesystem::path&, const FeatureMoments&, const FeatureMoments&, std::int64_t,
    const std::function<Tensor(std::int64_t, std::int64_t)>&))

} // namespace d2c
