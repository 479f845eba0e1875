#pragma once
/// A codec whose latents of the training images are read from a cache instead of computed, and how
/// that cache is made.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/latent_cache.hpp>
#include <d2c/data/repa_latents.hpp>
#include <d2c/data/sd_vae_codec.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Serves images of a set that says to be the whole training split (ImageSet::split) from the
/// cache, by their index; all others go through the codec. The first such set is compared with the
/// cache as a whole (LatentCache::require_fits), later ones by their size and the labels of the
/// images asked for, so no image gets the latents of another.
class CachedCodec final : public Codec {
public:
  CachedCodec(std::unique_ptr<const SDVaeCodec> codec, const std::filesystem::path& folder)
      : codec_{std::move(codec)}, cache_{folder} {}

  /// Means of the cache, scaled: to the bit what the codec gave when the cache was made from it.
  /// Throws InputError if the cache is not finished, belongs to other images, or as
  /// RepaLatents::means; for images outside the training split as SDVaeCodec.
  [[nodiscard]] Tensor encode(const ImageSet& images,
                              std::span<const std::int64_t> indices) const override {
    if (images.split != Split::train) {
      return codec_->encode(images, indices);
    }
    const RepaLatents& latents = opened(images);
    require_labels(latents.list(), images, indices);
    return latents.means(indices, moments_shape(*codec_, images)).mul_(SDVaeCodec::scale);
  }

  [[nodiscard]] Tensor decode(const Tensor& latents) const override {
    return codec_->decode(latents);
  }

  [[nodiscard]] bool mirrors() const override { return codec_->mirrors(); }

  [[nodiscard]] int channels(const ImageSet& images) const override {
    return codec_->channels(images);
  }

  [[nodiscard]] int height(const ImageSet& images) const override { return codec_->height(images); }

  [[nodiscard]] int width(const ImageSet& images) const override { return codec_->width(images); }

  /// [2 C, h, w] of the arrays of a cache of such images.
  static std::vector<std::int64_t> moments_shape(const Codec& codec, const ImageSet& images) {
    return {2 * std::int64_t{codec.channels(images)}, codec.height(images), codec.width(images)};
  }

private:
  const RepaLatents& opened(const ImageSet& images) const {
    std::call_once(once_, [&] {
      if (!cache_.is_finished()) {
        throw InputError("data.latent_cache: expected a finished cache in " +
                         cache_.folder().string() + ", found none; the command prepare makes it");
      }
      auto latents = std::make_unique<const RepaLatents>(cache_.folder());
      LatentCache::require_fits(latents->list(), images);
      latents_ = std::move(latents);
    });
    return *latents_;
  }

  static void require_labels(const RepaList& list, const ImageSet& images,
                             std::span<const std::int64_t> indices) {
    const auto fits = [&](std::int64_t i) {
      return i >= 0 && i < images.size() &&
             images.labels[static_cast<std::size_t>(i)] == list.label(i);
    };
    if (list.size() != images.size() || !std::all_of(indices.begin(), indices.end(), fits)) {
      throw Failure(list.path().string() +
                    ": expected indices of the training images that the cache was opened for, "
                    "found others of " +
                    images.origin);
    }
  }

  std::unique_ptr<const SDVaeCodec> codec_;
  LatentCache cache_;
  mutable std::once_flag once_;
  mutable std::unique_ptr<const RepaLatents> latents_;
};

/// Makes the cache of all `images` unless it is finished, going on where an interrupted process
/// stopped. One process at a time. Throws as LatentCache::require_can_be_made and
/// write_repa_latents.
inline void make_latent_cache(const LatentCache& cache, const SDVaeCodec& codec,
                              const ImageSet& images, const LatentEncoder& encoder,
                              Progress& progress) {
  if (cache.is_finished()) {
    return;
  }
  const nlohmann::json record = LatentCache::record_of(images, encoder);
  cache.require_can_be_made(record);
  std::error_code error;
  std::filesystem::create_directories(cache.folder(), error);
  if (error) {
    throw InputError("cannot make the folder " + cache.folder().string() + ": " + error.message());
  }
  write_file_atomically(cache.unfinished_record(), record.dump() + "\n");
  write_repa_latents(cache.folder(), codec, images, progress, {.keeps = true, .made_from = record});
  std::filesystem::remove(cache.unfinished_record(), error);
}

/// Throws InputError if the cache cannot serve these images: a finished one by its list and by the
/// headers of a few arrays, another if it cannot be made.
inline void check_latent_cache(const LatentCache& cache, const Codec& codec, const ImageSet& images,
                               const LatentEncoder& encoder) {
  if (!cache.is_finished()) {
    cache.require_can_be_made(LatentCache::record_of(images, encoder));
    return;
  }
  const RepaLatents latents{cache.folder()};
  LatentCache::require_fits(latents.list(), images);
  constexpr std::int64_t most = 64;
  const std::int64_t step = std::max<std::int64_t>(1, latents.size() / most);
  for (std::int64_t i = 0; i < latents.size(); i += step) {
    latents.require_shape(i, CachedCodec::moments_shape(codec, images));
  }
}

} // namespace d2c
