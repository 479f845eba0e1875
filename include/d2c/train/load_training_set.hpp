#pragma once
/// The training set of a stage: from the condensed pack if one was made, otherwise the chosen
/// images of the data source.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <d2c/core/artifact.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/io/csv.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/training_set.hpp>

namespace d2c {

namespace detail {

/// Reads condensed.safetensors: `latents` F32, or `images` U8 that the codec maps to model space.
inline TrainingSet training_set_from_pack(const std::filesystem::path& path, const Codec& codec,
                                          bool text, bool visual) {
  const SafetensorsFile file(path);
  TrainingSet set;
  set.labels = to_tensor(file, "labels").to(at::kLong);
  if (file.has("latents")) {
    set.latents = to_tensor(file, "latents").to(at::kFloat);
  } else {
    const SafetensorsEntry& entry = file.entry("images");
    if (entry.dtype != DType::U8 || entry.shape.size() != 4) {
      throw InputError(path.string() + ": expected tensor \"images\" as U8 [n, C, H, W], found " +
                       std::string(name_of(entry.dtype)) + " of " +
                       std::to_string(entry.shape.size()) + " dimensions");
    }
    ImageSet images;
    images.channels = static_cast<int>(entry.shape[1]);
    images.height = static_cast<int>(entry.shape[2]);
    images.width = static_cast<int>(entry.shape[3]);
    images.pixels = file.values<std::uint8_t>("images");
    images.labels.resize(static_cast<std::size_t>(entry.shape[0]));
    std::vector<std::int64_t> all(images.labels.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = static_cast<std::int64_t>(i);
    }
    set.latents = codec.encode(images, all);
  }
  if (set.labels.numel() != set.size()) {
    throw InputError(path.string() + ": expected one label per image (" +
                     std::to_string(set.size()) + "), found " + std::to_string(set.labels.numel()));
  }
  if (text) {
    set.text_tokens = to_tensor(file, "text_tokens").to(at::kFloat);
    set.text_mask = to_tensor(file, "text_mask").to(at::kFloat);
  }
  if (visual) {
    set.visual_tokens = to_tensor(file, "visual_tokens");
  }
  return set;
}

/// The images that subset.csv names, in its order.
inline TrainingSet training_set_from_subset(const std::filesystem::path& path,
                                            const ImageSet& images, const Codec& codec) {
  std::unordered_map<std::string_view, std::int64_t> place;
  place.reserve(images.ids.size());
  for (std::size_t i = 0; i < images.ids.size(); ++i) {
    place.emplace(images.ids[i], static_cast<std::int64_t>(i));
  }
  CsvReader table(path);
  const auto id = table.column("id");
  std::vector<std::int64_t> chosen;
  std::vector<std::int64_t> labels;
  for (std::vector<std::string_view> row; table.next(row);) {
    const auto found = place.find(row[id]);
    if (found == place.end()) {
      throw InputError(table.place() + ": expected the id of an image in " + images.origin +
                       ", found \"" + std::string(row[id]) + "\"");
    }
    chosen.push_back(found->second);
    labels.push_back(images.labels[static_cast<std::size_t>(found->second)]);
  }
  if (chosen.empty()) {
    throw InputError(path.string() + ": expected at least one image, found none");
  }
  TrainingSet set;
  set.latents = codec.encode(images, chosen);
  set.labels = at::tensor(labels, at::kLong);
  return set;
}

} // namespace detail

/// What the Trainer trains on: the pack of an earlier Attacher or From stage if there is one,
/// otherwise the rows of subset.csv from the source, in model space. `text` and `visual` ask for
/// attached tokens, which only a pack has. Throws InputError naming the file and what it lacks.
inline TrainingSet load_training_set(StageContext& context, bool text, bool visual) {
  if (context.artifacts.has<CondensedPack>()) {
    return detail::training_set_from_pack(context.artifacts.at<CondensedPack>() /
                                              "condensed.safetensors",
                                          context.codec, text, visual);
  }
  if (text || visual) {
    throw Failure("no earlier stage left the artifact CondensedPack, which holds the attached "
                  "tokens");
  }
  return detail::training_set_from_subset(context.artifacts.at<Subset>() / "subset.csv",
                                          context.images(Split::train), context.codec);
}

} // namespace d2c
