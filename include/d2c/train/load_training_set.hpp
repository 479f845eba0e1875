#pragma once
/// The training set of a stage: from the condensed pack if one was made, otherwise the chosen
/// images of the data source.

#include <cstdint>
#include <filesystem>
#include <numeric>
#include <vector>

#include <d2c/attach/pack_file.hpp>
#include <d2c/core/artifact.hpp>
#include <d2c/core/begins_with_pack.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/encode_images.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/select/subset_images.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

/// What the Trainer trains on. With `text`, `visual` or `class_tokens`, or in a pipeline that
/// begins with a pack, that is the condensed pack; otherwise the rows of subset.csv from the
/// source, mapped to model space. Both have the same images in the same order. Throws InputError
/// naming the file and what it lacks, Failure if no earlier stage left one.
template <class = Once>
TrainingSet load_training_set(StageContext& context, bool text, bool visual,
                              bool class_tokens = false) {
  const std::filesystem::path& chosen = context.artifacts.at<Subset>();
  TrainingSet set;
  if (!text && !visual && !class_tokens && !begins_with_pack(context)) {
    const ImageSet images = context.images(Split::train);
    const std::vector<std::int64_t> indices = subset_indices(chosen / "subset.csv", images);
    set.latents = encode_images(context.codec, images, indices, context.progress);
    set.labels = at::tensor(images.labels_of(indices), at::kLong);
    return set;
  }
  const PackFile pack(context.artifacts.at<CondensedPack>());
  set.labels = pack.tensor("labels");
  if (pack.has_images()) {
    const Tensor pixels = pack.tensor("images");
    ImageSet images;
    images.origin = pack.path().string();
    images.channels = static_cast<int>(pixels.size(1));
    images.height = static_cast<int>(pixels.size(2));
    images.width = static_cast<int>(pixels.size(3));
    const auto* bytes = pixels.const_data_ptr<std::uint8_t>();
    images.pixels.assign(bytes, bytes + pixels.numel());
    images.labels.resize(static_cast<std::size_t>(pixels.size(0)));
    std::vector<std::int64_t> all(images.labels.size());
    std::iota(all.begin(), all.end(), std::int64_t{0});
    set.latents = encode_images(context.codec, images, all, context.progress);
  } else {
    set.latents = pack.tensor("latents");
  }
  if (text) {
    set.text_tokens = pack.tensor("text_tokens");
    set.text_mask = pack.tensor("text_mask");
  }
  if (visual) {
    set.visual_tokens = pack.tensor("visual_tokens");
  }
  if (class_tokens) {
    set.class_tokens = pack.tensor("class_tokens");
  }
  return set;
}
D2C_COMPILED_ONCE(TrainingSet load_training_set<>(StageContext&, bool, bool, bool))

} // namespace d2c
