#pragma once
/// Features of the held-out images, computed once for all evaluations that share a store.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/image_tensor.hpp>
#include <d2c/evaluate/archive_parts.hpp>
#include <d2c/evaluate/feature_accumulator.hpp>
#include <d2c/evaluate/feature_extractor.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/judged_features.hpp>
#include <d2c/evaluate/reference_batch.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Features of `count` images, of which images_of(begin, end) gives a batch as uint8 [end - begin,
/// C, H, W], under the heading `task`; only a batch of images and the asked `parts` of the features
/// are in memory. InputError if the batch size is below 1.
template <class ImagesOf>
SetFeatures set_features_of(const FeatureExtractor& network, std::int64_t count,
                            const ImagesOf& images_of, std::int64_t batch, const std::string& task,
                            Progress& progress, const FeatureParts& parts = all_feature_parts) {
  if (batch < 1) {
    throw InputError("evaluate.batch: expected at least 1 image per batch, found " +
                     std::to_string(batch));
  }
  FeatureAccumulator features{parts, count};
  progress.start(task, count, "images");
  for (std::int64_t begin = 0; begin < count; begin += batch) {
    const std::int64_t end = std::min(count, begin + batch);
    features.add(network.extract(images_of(begin, end)));
    progress.advance(end - begin);
  }
  progress.finish();
  return features.finish();
}

/// The same for images [n, C, H, W] uint8 in memory.
inline SetFeatures set_features(const FeatureExtractor& network, const Tensor& images,
                                std::int64_t batch, const std::string& task, Progress& progress,
                                const FeatureParts& parts = all_feature_parts) {
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return images.slice(0, begin, end);
  };
  return set_features_of(network, images.size(0), part, batch, task, progress, parts);
}

/// The same for a set of images, which may lie in mapped files: only a batch is in memory.
inline SetFeatures set_features(const FeatureExtractor& network, const ImageSet& images,
                                std::int64_t batch, const std::string& task, Progress& progress,
                                const FeatureParts& parts = all_feature_parts) {
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> indices(static_cast<std::size_t>(end - begin));
    std::iota(indices.begin(), indices.end(), begin);
    return image_tensor(images, indices);
  };
  return set_features_of(network, images.size(), part, batch, task, progress, parts);
}

/// The same for an archive. Where its moments are those of this network's features they are taken
/// from the file. Errors as parts_of_archive.
inline SetFeatures set_features(const FeatureExtractor& network, const ReferenceBatch& archive,
                                std::int64_t batch, const std::string& task, Progress& progress,
                                const FeatureParts& asked = all_feature_parts) {
  const ArchiveParts parts = parts_of_archive(archive, network.published_moments(), asked);
  if (parts.of_images == FeatureParts{}) {
    return parts.stored;
  }
  const auto part = [&](std::int64_t begin, std::int64_t end) {
    return archive.images(begin, end);
  };
  return with_stored(
      set_features_of(network, archive.size(), part, batch, task, progress, parts.of_images),
      parts.stored);
}

/// Names the features of images with this content (pixel_content) by this network, whose weights
/// have the hash `weights`, at this resolution, computed on this kind of device: 16 hexadecimal
/// digits.
inline std::string features_key(std::string_view network, const std::string& weights,
                                std::int64_t resolution, const std::string& content,
                                at::Device device) {
  const std::string arithmetic =
      std::string(device.is_cuda() ? "cuda" : "cpu") +
      (device.is_cuda() && at::globalContext().allowTF32CuDNN() ? " tf32" : "");
  return hash_of_text("features 1 " + arithmetic + " " + std::string(network) + " " + weights +
                      " " + std::to_string(resolution) + " " + content);
}

/// Reads features stored by save_features, or nothing if there are none or the file is damaged.
inline std::optional<SetFeatures> load_features(const std::filesystem::path& path) {
  if (!is_file(path)) {
    return std::nullopt;
  }
  try {
    const SafetensorsFile file{path};
    const std::int64_t count = to_tensor(file, "count").item<std::int64_t>();
    const auto moments = [&](const std::string& prefix) {
      const Tensor mean = to_tensor(file, prefix + "mean");
      const std::int64_t width = mean.numel();
      return FeatureMoments{mean, to_tensor(file, prefix + "covariance", {width, width}), count};
    };
    SetFeatures found;
    if (file.has("mean")) {
      found.moments = moments("");
    }
    if (file.has("neighbours")) {
      found.neighbours = to_tensor(file, "neighbours");
    }
    if (file.has("spatial.mean")) {
      found.spatial = moments("spatial.");
    }
    if (file.has("logits")) {
      found.logits = to_tensor(file, "logits");
    }
    return found;
  } catch (const InputError&) {
    return std::nullopt; // a cache: it is computed again, and written over
  }
}

/// Stores features for load_features, atomically.
inline void save_features(const std::filesystem::path& path, const SetFeatures& features) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::int64_t count = 0;
  const auto add = [&](const std::string& prefix, const FeatureMoments& moments) {
    if (moments.mean.defined()) {
      tensors.emplace_back(prefix + "mean", moments.mean);
      tensors.emplace_back(prefix + "covariance", moments.covariance);
      count = moments.count;
    }
  };
  add("spatial.", features.spatial);
  add("", features.moments);
  tensors.emplace_back("count", at::tensor({count}, at::kLong));
  if (features.neighbours.defined()) {
    tensors.emplace_back("neighbours", features.neighbours);
  }
  if (features.logits.defined()) {
    tensors.emplace_back("logits", features.logits);
  }
  save_tensors(path, tensors);
}

} // namespace d2c
