#pragma once
/// What an archive gives of the features that are asked of it: stored moments, or images.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <d2c/core/error.hpp>
#include <d2c/encoders/published_moments.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/feature_statistics.hpp>
#include <d2c/evaluate/judged_features.hpp>
#include <d2c/evaluate/reference_batch.hpp>

namespace d2c {

/// The asked features, by where they come from.
struct ArchiveParts {
  SetFeatures stored{};     ///< moments of the file
  FeatureParts of_images{}; ///< those that its images have to give
};

/// Where the features `asked` of an archive come from, for a network whose moments are `published`
/// (nothing: those of no archive). Moments beside images or spatial moments are ADM's, of
/// TensorFlow's resize. A file with `mu` and `sigma` alone, as pytorch-fid writes them, does not
/// say its resize: they are taken for either. Throws InputError if stored moments that are asked
/// for have another width, or if images are needed and there are none.
inline ArchiveParts parts_of_archive(const ReferenceBatch& archive,
                                     const std::optional<PublishedMoments>& published,
                                     const FeatureParts& asked) {
  ArchiveParts parts{.of_images = asked};
  const auto take = [&](bool& wanted, const std::optional<FeatureMoments>& stored,
                        FeatureMoments& to, const char* name, std::int64_t width) {
    if (!wanted || !stored) {
      return;
    }
    if (stored->mean.numel() != width) {
      throw InputError(archive.path().string() + ": expected \"" + name + "\" of " +
                       std::to_string(width) + " features, as Inception-v3 has them, found " +
                       std::to_string(stored->mean.numel()));
    }
    to = *stored;
    wanted = false;
  };
  if (published) {
    const bool of_tensorflow = published->resize == InceptionResize::tensorflow;
    const bool alone = archive.size() == 0 && !archive.spatial_moments();
    if (of_tensorflow || alone) {
      take(parts.of_images.moments, archive.moments(), parts.stored.moments, "mu",
           published->width);
    }
    if (of_tensorflow) {
      take(parts.of_images.spatial, archive.spatial_moments(), parts.stored.spatial, "mu_s",
           published->spatial_width);
    }
  }
  if (archive.size() == 0 && parts.of_images != FeatureParts{}) {
    throw InputError(
        archive.path().string() + ": expected images (arr_0) for the asked features (" +
        text_of(parts.of_images) + "), found " + (archive.moments() ? "moments alone" : "none"));
  }
  return parts;
}

/// `computed` with the moments that are stored.
inline SetFeatures with_stored(SetFeatures computed, const SetFeatures& stored) {
  if (stored.moments.mean.defined()) {
    computed.moments = stored.moments;
  }
  if (stored.spatial.mean.defined()) {
    computed.spatial = stored.spatial;
  }
  return computed;
}

} // namespace d2c
