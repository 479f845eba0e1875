#pragma once
/// Runs the evaluating stage: samples, kept images and held-out images in, metrics.json out.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/attach/pack_file.hpp>
#include <d2c/core/artifact.hpp>
#include <d2c/core/begins_with_pack.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/file_hashes.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/core/type_list.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/data/image_tensor.hpp>
#include <d2c/data/pixel_content.hpp>
#include <d2c/encoders/published_moments.hpp>
#include <d2c/evaluate/archive_parts.hpp>
#include <d2c/evaluate/dinov2_features.hpp>
#include <d2c/evaluate/efficientnet_lite0_features.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/evaluator.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/inception_measures.hpp>
#include <d2c/evaluate/inception_v3_features.hpp>
#include <d2c/evaluate/judged_features.hpp>
#include <d2c/evaluate/least_images.hpp>
#include <d2c/evaluate/measures.hpp>
#include <d2c/evaluate/reference_batch.hpp>
#include <d2c/evaluate/reference_features.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/sample/sample_config.hpp>
#include <d2c/select/subset_images.hpp>
#include <d2c/tensor/device.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

namespace detail {

/// Images of one size, of which some at a time are in memory, as uint8 [end - begin, C, H, W].
struct ImageStream {
  std::int64_t size = 0;
  std::function<Tensor(std::int64_t begin, std::int64_t end)> images_of;
};

/// The images an evaluation compares.
struct JudgedImages {
  ImageSet held_out;                     ///< empty if there is an archive
  std::optional<ReferenceBatch> archive; ///< [evaluate] reference, opened once: opening reads it
  Tensor samples;                        ///< mapped
  ImageStream training;
};

/// A copy of the rows begin ... end of a stored tensor; no others are read.
inline Tensor stored_rows(const SafetensorsFile& file, const std::string& name, std::int64_t begin,
                          std::int64_t end) {
  const SafetensorsEntry& entry = file.entry(name);
  std::vector<std::int64_t> shape = entry.shape;
  shape.at(0) = end - begin;
  const Tensor rows = at::empty(shape, scalar_type_of(entry.dtype));
  if (rows.numel() > 0) {
    const std::size_t row = rows.nbytes() / static_cast<std::size_t>(end - begin);
    std::memcpy(rows.data_ptr(), entry.bytes.data() + static_cast<std::size_t>(begin) * row,
                rows.nbytes());
  }
  return rows;
}

/// The images the denoiser learned from: the rows of subset.csv, or in a pipeline that begins with
/// a condensed pack those in the pack, decoded when they are asked for.
inline ImageStream training_images(const StageContext& context) {
  const std::filesystem::path& chosen = context.artifacts.at<Subset>();
  if (begins_with_pack(context)) {
    const PackFile pack{chosen};
    const auto file = std::make_shared<const SafetensorsFile>(pack.path());
    if (pack.has_images()) {
      return {pack.size(), [file](std::int64_t begin, std::int64_t end) {
                return stored_rows(*file, "images", begin, end);
              }};
    }
    return {pack.size(), [file, &codec = context.codec](std::int64_t begin, std::int64_t end) {
              return codec.decode(stored_rows(*file, "latents", begin, end));
            }};
  }
  const auto images = std::make_shared<const ImageSet>(context.images(Split::train));
  const auto indices = std::make_shared<const std::vector<std::int64_t>>(
      subset_indices(chosen / "subset.csv", *images));
  return {static_cast<std::int64_t>(indices->size()),
          [images, indices](std::int64_t begin, std::int64_t end) {
            return image_tensor(*images,
                                std::span(*indices).subspan(static_cast<std::size_t>(begin),
                                                            static_cast<std::size_t>(end - begin)));
          }};
}

/// The images of a file, mapped read-only: a batch is read when it is looked at, so many samples
/// are never in memory at once.
inline Tensor mapped_images(const std::shared_ptr<const SafetensorsFile>& file) {
  const SafetensorsEntry& entry = file->entry("images");
  if (entry.dtype != DType::U8 || entry.bytes.empty()) {
    return to_tensor(*file, "images"); // refused by its caller
  }
  auto* bytes = const_cast<std::byte*>(entry.bytes.data()); // from_blob asks for it; only read
  return at::from_blob(
      bytes, entry.shape, [file](void*) {}, at::kByte);
}

template <class = Once>
JudgedImages judged_images(const StageContext& context) {
  JudgedImages images;
  const auto samples = std::make_shared<const SafetensorsFile>(context.artifacts.at<Samples>() /
                                                               "samples.safetensors");
  images.samples = mapped_images(samples);
  images.training = training_images(context);
  const std::string& reference = context.section<EvaluateConfig>().reference;
  if (reference.empty()) {
    images.held_out = context.images(Split::test);
  } else {
    images.archive.emplace(reference);
  }
  const Tensor first =
      images.training.images_of(0, std::min<std::int64_t>(1, images.training.size));
  if (images.samples.scalar_type() != at::kByte || images.samples.dim() != 4 ||
      images.samples.sizes().slice(1) != first.sizes().slice(1)) {
    throw InputError(
        samples->path().string() + ": expected images of uint8 as large as the training images, " +
        c10::str(first.sizes().slice(1)) + ", found " + c10::str(images.samples.sizes()));
  }
  return images;
}
D2C_COMPILED_ONCE(JudgedImages judged_images<>(const StageContext&))

/// What the metrics on one feature network look at together, in each set.
struct AskedParts {
  FeatureParts held_out;
  FeatureParts samples;
  FeatureParts training;
};

template <class = Once>
SetFeatures held_out_features(const FeatureExtractor& network, const std::string& name,
                              const FeatureParts& parts, const JudgedImages& images,
                              StageContext& context) {
  const auto& config = context.section<EvaluateConfig>();
  const at::Device device = device_from(context.device);
  const std::string kept = name + " " + text_of(parts);
  const std::string key = features_key(
      kept, hash_of_input(context, network.file()), config.resolution,
      images.archive ? hash_of_input(context, config.reference) : pixel_content(images.held_out),
      device);
  const auto cache = context.out.parent_path() / ("features-" + key + ".safetensors");
  if (auto stored = load_features(cache)) {
    return *std::move(stored);
  }
  const std::string task = "features of held-out images";
  SetFeatures features =
      images.archive
          ? set_features(network, *images.archive, config.batch, task, context.progress, parts)
          : set_features(network, images.held_out, config.batch, task, context.progress, parts);
  save_features(cache, features);
  return features;
}
D2C_COMPILED_ONCE(SetFeatures held_out_features<>(const FeatureExtractor&, const std::string&,
                                                  const FeatureParts&, const JudgedImages&,
                                                  StageContext&))

template <class = Once>
JudgedFeatures judged_features(const FeatureExtractor& network, const std::string& name,
                               const AskedParts& asked, const JudgedImages& images,
                               StageContext& context) {
  const std::int64_t batch = context.section<EvaluateConfig>().batch;
  JudgedFeatures features;
  if (asked.held_out != FeatureParts{}) {
    features.held_out = held_out_features(network, name, asked.held_out, images, context);
  }
  if (asked.samples != FeatureParts{}) {
    features.samples = set_features(network, images.samples, batch, "features of samples",
                                    context.progress, asked.samples);
  }
  if (asked.training != FeatureParts{}) {
    features.training =
        set_features_of(network, images.training.size, images.training.images_of, batch,
                        "features of training images", context.progress, asked.training);
  }
  return features;
}
D2C_COMPILED_ONCE(JudgedFeatures judged_features<>(const FeatureExtractor&, const std::string&,
                                                   const AskedParts&, const JudgedImages&,
                                                   StageContext&))

/// The samples that come nearest to a training image, nearest first, with that image.
inline void write_neighbours(const std::filesystem::path& path, const JudgedImages& images,
                             const NearestRows& nearest) {
  constexpr std::int64_t shown = 20;
  const Tensor order = nearest.distance.argsort().slice(0, 0, shown);
  const Tensor index = nearest.index.index_select(0, order);
  std::vector<Tensor> found;
  for (std::int64_t i = 0; i < index.size(0); ++i) {
    const auto at = index[i].item<std::int64_t>();
    found.push_back(images.training.images_of(at, at + 1));
  }
  save_tensors(path, {{"samples", images.samples.index_select(0, order)},
                      {"nearest", at::cat(found)},
                      {"distances", nearest.distance.index_select(0, order)},
                      {"sample_index", order},
                      {"training_index", index},
                      {"all_distances", nearest.distance},
                      {"all_training_index", nearest.index}});
}

template <class Features, class... Metrics>
constexpr AskedParts parts_on() {
  AskedParts asked;
  const auto add = [&]<class Metric>() {
    if constexpr (std::is_same_v<typename Metric::features, Features>) {
      constexpr FeatureParts parts = feature_parts_of<Metric>();
      constexpr ReadSets reads = read_sets_of<Metric>();
      asked.held_out = reads.held_out ? asked.held_out | parts : asked.held_out;
      asked.samples = reads.samples ? asked.samples | parts : asked.samples;
      asked.training = reads.training ? asked.training | parts : asked.training;
    }
  };
  (add.template operator()<Metrics>(), ...);
  return asked;
}

/// Adds what one metric found. Failure if it wrote a number that another has written: the name of a
/// number has to say which of them it is.
template <class = Once>
void add_judgement(std::string_view metric, Judgement&& found, Judgement& all) {
  for (const auto& [name, value] : found.numbers.items()) {
    if (all.numbers.contains(name)) {
      throw Failure(
          "metrics.json: expected a number \"" + name + "\" of one metric, found that " +
          std::string{metric} +
          " writes it as well; a feature network with another suffix gives it another name");
    }
    all.numbers[name] = value;
  }
  if (found.nearest && !all.nearest) {
    all.nearest = std::move(found.nearest);
  }
}
D2C_COMPILED_ONCE(void add_judgement<>(std::string_view, Judgement&&, Judgement&))

/// Metrics that share a feature network are measured together, so that it runs once.
template <class Features, class... Metrics>
void measure_with(type_list<Metrics...>, const JudgedImages& images, StageContext& context,
                  Judgement& judgement) {
  const auto& config = context.section<EvaluateConfig>();
  const auto network = make_feature_extractor(Features{}, config, device_from(context.device));
  const JudgedFeatures features = judged_features(
      *network, std::string{Features::name}, parts_on<Features, Metrics...>(), images, context);
  const auto measure_one = [&]<class Metric>() {
    if constexpr (std::is_same_v<typename Metric::features, Features>) {
      Judgement found;
      measure(Metric{}, features, config, found);
      add_judgement(Metric::name, std::move(found), judgement);
    }
  };
  (measure_one.template operator()<Metrics>(), ...);
  judgement.numbers["features"].push_back({{"name", std::string_view{Features::name}},
                                           {"weights", network->file().filename().string()},
                                           {"xxh3", hash_of_input(context, network->file())}});
}

template <class = Once>
void write_judgement(const JudgedImages& images, const Judgement& judgement,
                     StageContext& context) {
  const auto& config = context.section<EvaluateConfig>();
  Judgement facts;
  nlohmann::ordered_json& numbers = facts.numbers;
  numbers["images"] = images.training.size;
  numbers["samples"] = images.samples.size(0);
  numbers["held_out"] = images.archive ? images.archive->size() : images.held_out.size();
  if (images.archive) {
    numbers["reference"] = std::filesystem::path(config.reference).filename().string();
  }
  numbers["resolution"] = config.resolution;
  numbers["neighbours"] = config.neighbours;
  Judgement all = judgement;
  add_judgement("the stage itself", std::move(facts), all);
  if (judgement.nearest) {
    write_neighbours(context.out / "neighbours.safetensors", images, *judgement.nearest);
  }
  write_file_atomically(context.out / "metrics.json", all.numbers.dump(1) + "\n");
}
D2C_COMPILED_ONCE(void write_judgement<>(const JudgedImages&, const Judgement&, StageContext&))

} // namespace detail

/// Writes `metrics.json` and, if a metric looked for neighbours, `neighbours.safetensors` into the
/// stage's folder. Features of the held-out images are kept beside the stage's folder, in
/// `features-<key>.safetensors`, for other arms. InputError if samples and images differ in size or
/// the weights of a feature network are missing. With [evaluate] reference the images of that
/// archive stand for the held-out ones.
template <class... Policies>
void run_stage(const Evaluator<Policies...>&, StageContext& context) {
  const detail::JudgedImages images = detail::judged_images(context);
  Judgement judgement;
  judgement.numbers["features"] = nlohmann::ordered_json::array();
  for_each_type(unite_t<type_list<typename Policies::features...>>{}, [&]<class Features>() {
    detail::measure_with<Features>(type_list<Policies...>{}, images, context, judgement);
  });
  detail::write_judgement(images, judgement, context);
}

namespace detail {

/// The moments in archives that are those of a tag's features: its member `published_moments`.
template <class Features>
constexpr std::optional<PublishedMoments> published_moments_of() {
  if constexpr (requires { PublishedMoments{Features::published_moments}; }) {
    return Features::published_moments;
  } else {
    return {};
  }
}

/// Adds a problem for a number that an earlier metric writes too.
inline void check_number(std::string_view metric, const std::string& number,
                         std::map<std::string, std::string_view>& writers, Problems& problems) {
  const auto [first, added] = writers.emplace(number, metric);
  if (!added && !number.empty()) {
    problems.add("[evaluate]", "expected every number of one metric, found \"" + number + "\" of " +
                                   std::string{first->second} + " and of " + std::string{metric} +
                                   "; a feature network with another suffix gives it another name");
  }
}

/// Adds a problem for a set that is too small; sizes that are not known yet are left out.
inline void check_sizes(std::string_view metric, const LeastImages& least,
                        std::optional<std::int64_t> samples, std::optional<std::int64_t> held_out,
                        Problems& problems) {
  const auto expect = [&](std::optional<std::int64_t> found, std::int64_t needed,
                          const std::string& set) {
    if (found && *found < needed) {
      problems.add("[evaluate]" + std::string(least.key.empty() ? "" : " ") +
                       std::string{least.key},
                   "expected at least " + std::to_string(needed) + " " + set + " for " +
                       std::string{metric} + ", found " + std::to_string(*found));
    }
  };
  expect(samples, least.samples, "samples (classes x [sample] images_per_class)");
  expect(held_out, least.held_out, "images in [evaluate] reference");
}

} // namespace detail

/// What can be known before anything runs: whether the feature networks' files are theirs, whether
/// the reference archive has what the metrics read, whether the sets are large enough, and sensible
/// numbers.
template <class... Policies>
void check_stage(const Evaluator<Policies...>&, const StageContext& context, Problems& problems) {
  const auto& config = context.section<EvaluateConfig>();
  using Networks = unite_t<type_list<typename Policies::features...>>;
  for_each_type(Networks{},
                [&]<class Features>() { check_feature_extractor(Features{}, config, problems); });
  const auto expect = [&](bool good, const char* key, const char* expected, auto found) {
    if (!good) {
      problems.add(std::string("[evaluate] ") + key,
                   std::string("expected ") + expected + ", found " + std::to_string(found));
    }
  };
  std::optional<std::int64_t> held_out;
  if (!config.reference.empty() && !is_file(config.reference)) {
    problems.add("[evaluate] reference", "expected a NumPy archive with images or moments, found "
                                         "no file \"" +
                                             config.reference + "\"");
  } else if (!config.reference.empty()) {
    problems.check("[evaluate] reference", [&] {
      const ReferenceBatch archive{config.reference};
      for_each_type(Networks{}, [&]<class Features>() {
        parts_of_archive(archive, detail::published_moments_of<Features>(),
                         detail::parts_on<Features, Policies...>().held_out);
      });
      held_out = archive.size();
    });
  }
  std::optional<std::int64_t> samples;
  if (context.facts.classes > 0) {
    samples = context.facts.classes * context.section<SampleConfig>().images_per_class;
  }
  expect(config.resolution >= 32, "resolution", "at least 32 pixels", config.resolution);
  expect(config.neighbours >= 1, "neighbours", "at least 1", config.neighbours);
  expect(config.density_neighbours >= 1, "density_neighbours", "at least 1",
         config.density_neighbours);
  expect(config.kid_subsets >= 1, "kid_subsets", "at least 1", config.kid_subsets);
  expect(config.kid_subset_size >= 2, "kid_subset_size", "at least 2 images",
         config.kid_subset_size);
  std::map<std::string, std::string_view> writers;
  (detail::check_number(Policies::name, leading_number(Policies{}), writers, problems), ...);
  (detail::check_sizes(Policies::name, least_images(Policies{}, config), samples, held_out,
                       problems),
   ...);
  expect(config.copy_percentile >= 0 && config.copy_percentile <= 100, "copy_percentile",
         "a number from 0 to 100", config.copy_percentile);
  expect(config.batch >= 1, "batch", "at least 1 image per batch", config.batch);
}

} // namespace d2c
