#pragma once
/// Images that a denoiser is judged on while it trains on others.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include <d2c/core/artifact.hpp>
#include <d2c/core/begins_with_pack.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/encode_images.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/select/subset_images.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/train_config.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

namespace detail {

/// The images `rows` of a set; text belongs to classes and stays whole.
inline TrainingSet part_of(const TrainingSet& set, const std::vector<std::int64_t>& rows) {
  const Tensor index = at::tensor(rows, at::kLong);
  const auto taken = [&](const Tensor& tensor) {
    return tensor.defined() ? tensor.index_select(0, index) : Tensor();
  };
  TrainingSet part = set;
  part.latents = taken(set.latents);
  part.labels = taken(set.labels);
  part.visual_tokens = taken(set.visual_tokens);
  part.class_tokens = taken(set.class_tokens);
  return part;
}

} // namespace detail

/// Takes a random share of the images (at least one, and one stays) out of `set` and returns them.
/// Which ones depends on (seed, number of images) alone. Throws InputError for a set of one image.
template <class = Once>
TrainingSet take_share(TrainingSet& set, double share, std::uint64_t seed) {
  const std::int64_t count = set.size();
  if (count < 2) {
    throw InputError("train.evaluate_share: expected at least two images to hold one out, found " +
                     std::to_string(count));
  }
  const auto wanted = static_cast<std::int64_t>(std::llround(share * static_cast<double>(count)));
  const std::int64_t out = std::clamp<std::int64_t>(wanted, 1, count - 1);
  std::vector<std::int64_t> order = permutation({seed, Stream::held_out_images, 0, 0}, count);
  std::sort(order.begin(), order.begin() + out);
  std::sort(order.begin() + out, order.end());
  TrainingSet taken = detail::part_of(set, {order.begin(), order.begin() + out});
  set = detail::part_of(set, {order.begin() + out, order.end()});
  return taken;
}
D2C_COMPILED_ONCE(TrainingSet take_share<>(TrainingSet&, double, std::uint64_t))

/// The held-out images of a Trainer: with evaluate_share that share of `set`, which loses them;
/// otherwise up to evaluate_images training images of the source that are not in the subset. Throws
/// InputError where there are none.
template <class = Once>
TrainingSet take_held_out(TrainingSet& set, StageContext& context, const TrainConfig& config) {
  if (config.evaluate_share > 0) {
    return take_share(set, config.evaluate_share, context.seed);
  }
  if (begins_with_pack(context)) {
    throw InputError("train.evaluate_share: expected a share above 0, since a pipeline that begins "
                     "with a pack has no other images to hold out, found 0");
  }
  const ImageSet images = context.images(Split::train);
  const std::vector<std::int64_t> subset =
      subset_indices(context.artifacts.at<Subset>() / "subset.csv", images);
  const std::unordered_set<std::int64_t> inside(subset.begin(), subset.end());
  std::vector<std::int64_t> outside;
  for (const std::int64_t index :
       permutation({context.seed, Stream::held_out_images, 0, 0}, images.size())) {
    if (!inside.contains(index) &&
        static_cast<std::int64_t>(outside.size()) < config.evaluate_images) {
      outside.push_back(index);
    }
  }
  if (outside.empty()) {
    throw InputError("train.evaluate_share: expected a share above 0, since the subset holds every "
                     "image of " +
                     images.origin + ", found 0");
  }
  std::sort(outside.begin(), outside.end());
  TrainingSet held_out;
  held_out.latents = encode_images(context.codec, images, outside, context.progress);
  held_out.labels = at::tensor(images.labels_of(outside), at::kLong);
  return held_out;
}
D2C_COMPILED_ONCE(TrainingSet take_held_out<>(TrainingSet&, StageContext&, const TrainConfig&))

} // namespace d2c
