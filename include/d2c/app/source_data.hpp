#pragma once
/// From the source of a pipeline to its images and its codec: by its types, or by [data] where the
/// types leave them open.

#include <concepts>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <d2c/app/experiment_facts.hpp>
#include <d2c/app/image_preparation.hpp>
#include <d2c/app/latent_encoder_of.hpp>
#include <d2c/app/stage_store.hpp>
#include <d2c/attach/condensed_file.hpp>
#include <d2c/attach/pack_file.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/cached_codec.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/data/from.hpp>
#include <d2c/data/latent_cache.hpp>
#include <d2c/data/load_cifar.hpp>
#include <d2c/data/load_fashion_mnist.hpp>
#include <d2c/data/load_npz_images.hpp>
#include <d2c/data/open_image_folder.hpp>
#include <d2c/data/open_imagenet.hpp>
#include <d2c/data/open_web_dataset.hpp>
#include <d2c/data/pixels_codec.hpp>
#include <d2c/data/repa_list.hpp>
#include <d2c/data/sd_vae_codec.hpp>
#include <d2c/data/source.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/is_folder.hpp>
#include <d2c/version.hpp>

namespace d2c {

namespace detail {

inline std::string no_reader(std::string_view dataset) {
  return "d2c " + std::string(version) + " knows the sizes of " + std::string(dataset) +
         " but has no reader for its images, expected a data set such as \"fashion-mnist\"";
}

inline std::string no_codec(std::string_view codec) {
  return "d2c " + std::string(version) + " knows the sizes of " + std::string(codec) +
         " but has no network for it, expected a codec such as \"pixels\"";
}

/// Stands for a codec without a network here; every use throws InputError.
class MissingCodec : public Codec {
public:
  explicit MissingCodec(std::string sentence) : sentence_{std::move(sentence)} {}

  [[nodiscard]] Tensor encode(const ImageSet&, std::span<const std::int64_t>) const override {
    throw InputError(sentence_);
  }

  [[nodiscard]] Tensor decode(const Tensor&) const override { throw InputError(sentence_); }

  [[nodiscard]] int channels(const ImageSet&) const override { throw InputError(sentence_); }

  [[nodiscard]] int height(const ImageSet&) const override { throw InputError(sentence_); }

  [[nodiscard]] int width(const ImageSet&) const override { throw InputError(sentence_); }

private:
  std::string sentence_;
};

/// Sets of files come from where they were prepared, others from their own files.
template <class D>
ImageLoader loader_of(const Sections& sections) {
  const auto preparation = preparation_of<D>(sections);
  return [data = sections.get<DataConfig>(), preparation](Split split) -> ImageSet {
    ImageSet images;
    if constexpr (ListedDataset<D>) {
      images = preparation->load(split);
    } else if constexpr (requires { load_images(D{}, data, split); }) {
      images = load_images(D{}, data, split);
    } else {
      throw InputError("[data] dataset: " + no_reader(D::name));
    }
    images.split = split;
    return images;
  };
}

template <class D>
void check_dataset(const DataConfig& data, Problems& problems, bool needs_test_images) {
  if constexpr (requires { check_images(D{}, data, problems, needs_test_images); }) {
    check_images(D{}, data, problems, needs_test_images);
  } else if constexpr (requires { check_images(D{}, data, problems); }) {
    check_images(D{}, data, problems);
  } else {
    if (data.root.empty() || !is_folder(data.root)) {
      problems.add("[data] root",
                   "expected the folder of " + std::string(D::name) + ", found " +
                       (data.root.empty() ? "an empty string" : "no folder at " + data.root));
    }
    problems.add("[data] dataset", no_reader(D::name));
  }
}

/// A codec takes make_codec(C{}), or with weights make_codec(C{}, const DataConfig&, device).
template <class C>
concept HasWeightedCodec = requires(const DataConfig& data, const std::string& device) {
  make_codec(C{}, data, device);
};

template <class C>
concept HasCodec = HasWeightedCodec<C> || requires {
  make_codec(C{});
};

/// Of an autoencoder whose latents have a cache in REPA's layout.
template <class C>
concept HasLatentCache = requires(const DataConfig& data, const std::string& device) {
  { make_codec(C{}, data, device) } -> std::convertible_to<std::unique_ptr<const SDVaeCodec>>;
};

template <class C>
std::shared_ptr<const Codec> codec_named(const DataConfig& data, const std::string& device) {
  if constexpr (HasLatentCache<C>) {
    if (!data.latent_cache.empty()) {
      return std::make_shared<CachedCodec>(make_codec(C{}, data, device), data.latent_cache);
    }
  }
  if constexpr (HasWeightedCodec<C>) {
    return make_codec(C{}, data, device);
  } else if constexpr (HasCodec<C>) {
    return make_codec(C{});
  } else {
    return std::make_shared<MissingCodec>("[data] codec: " + no_codec(C::name));
  }
}

/// `needed`: whether a stage runs the codec's network.
template <class C>
void check_codec(const DataConfig& data, bool needed, Problems& problems) {
  if constexpr (requires { C::weights; }) {
    if (needed && !is_file(data.codec_weights)) {
      problems.add("[data] codec_weights",
                   "expected the file with the weights of " + std::string(C::name) + " (" +
                       std::string(C::weights) + "), found " +
                       (data.codec_weights.empty() ? std::string("no path")
                                                   : "no file \"" + data.codec_weights + "\""));
    }
  }
  if constexpr (requires { check_codec_settings(C{}, data, problems); }) {
    check_codec_settings(C{}, data, problems);
  }
  if constexpr (!HasCodec<C>) {
    problems.add("[data] codec", no_codec(C::name));
  }
}

inline void refuse_latent_cache(const DataConfig& data, const std::string& why,
                                Problems& problems) {
  if (!data.latent_cache.empty()) {
    problems.add("[data] latent_cache",
                 "expected none " + why + ", found \"" + data.latent_cache + "\"");
  }
}

/// Adds a problem for a cache of latents that no stage would read, or that does not fit the images.
template <class C>
void check_cache_of(const StageContext& context, Problems& problems) {
  const DataConfig& data = context.section<DataConfig>();
  if constexpr (!HasLatentCache<C>) {
    refuse_latent_cache(data, "with " + std::string(C::name) + ", whose latents have no cache",
                        problems);
  } else if (!context.needs_images) {
    refuse_latent_cache(data, "in a pipeline that reads no images", problems);
  } else if (!data.latent_cache.empty()) {
    ImageSet images;
    try {
      images = context.images(Split::train);
    } catch (const InputError&) {
      return; // not prepared yet, or missing, which the data set's own check says
    }
    problems.check("[data] latent_cache", [&] {
      check_latent_cache(LatentCache{data.latent_cache}, *make_codec(C{}, data, context.device),
                         images, latent_encoder_of(context.sections));
    });
  }
}

/// Calls f<T>() for the given policy, or for the one of `known` that the configuration names.
template <class Given, class Known, class Function>
void with_policy_or_named(Known known, const std::string& name, std::string_view key,
                          Function&& f) {
  if constexpr (is_given<Given>) {
    f.template operator()<Given>();
  } else {
    Problems problems;
    with_named(known, name, key, problems, f);
    problems.raise();
  }
}

template <class DatasetPolicy>
ImageLoader loader_for(const Sections& sections) {
  const DataConfig& data = sections.get<DataConfig>();
  ImageLoader loader;
  with_policy_or_named<DatasetPolicy>(KnownDatasets{}, data.dataset, "dataset",
                                      [&]<class D>() { loader = loader_of<D>(sections); });
  return loader;
}

template <class DatasetPolicy>
std::shared_ptr<const ImagePreparation> preparation_for(const Sections& sections) {
  std::shared_ptr<const ImagePreparation> preparation;
  with_policy_or_named<DatasetPolicy>(
      KnownDatasets{}, sections.get<DataConfig>().dataset, "dataset",
      [&]<class D>() { preparation = preparation_of<D>(sections); });
  return preparation;
}

template <class CodecPolicy>
std::shared_ptr<const Codec> codec_for(const Sections& sections, const std::string& device) {
  const DataConfig& data = sections.get<DataConfig>();
  std::shared_ptr<const Codec> codec;
  with_policy_or_named<CodecPolicy>(KnownCodecs{}, data.codec, "codec",
                                    [&]<class C>() { codec = codec_named<C>(data, device); });
  return codec;
}

template <class C>
void make_latents_of(const Sections& sections, const std::string& device, const ImageLoader& images,
                     Progress& progress) {
  const DataConfig& data = sections.get<DataConfig>();
  const LatentCache cache{data.latent_cache};
  if (cache.is_finished()) {
    if (!cache.key(latent_encoder_of(sections)).empty()) {
      progress.line("latents: read from " + data.latent_cache +
                    ", which is not known to come from these weights on this kind of device");
    }
    return;
  }
  // Beside the folder, which holds nothing but the cache.
  auto folder = std::filesystem::absolute(cache.folder()).lexically_normal();
  if (!folder.has_filename()) {
    folder = folder.parent_path(); // "cache/"
  }
  StageStore::make_folder(folder.parent_path());
  const FolderLock lock{folder.string() + ".lock", [&] {
                          progress.line("latents: waiting for another process that works in " +
                                        folder.string());
                        }};
  make_latent_cache(cache, *make_codec(C{}, data, device), images(Split::train),
                    latent_encoder_of(sections), progress);
  progress.line("latents: " + std::to_string(RepaList{folder}.size()) + " in " + folder.string());
}

template <class DatasetPolicy>
void check_images_of(const StageContext& context, Problems& problems) {
  const DataConfig& data = context.section<DataConfig>();
  if (context.needs_images) {
    with_policy_or_named<DatasetPolicy>(KnownDatasets{}, data.dataset, "dataset", [&]<class D>() {
      check_dataset<D>(data, problems, context.needs_test_images);
    });
  }
}

} // namespace detail

/// Loads a split of the source's data set. Throws InputError, when called, for a data set that this
/// version knows only as facts.
template <class... Policies>
ImageLoader image_loader_of(const Source<Policies...>&, const Sections& sections) {
  return detail::loader_for<typename Source<Policies...>::dataset>(sections);
}

inline ImageLoader image_loader_of(const From<CondensedPack>&, const Sections& sections) {
  return detail::loader_for<NoPolicy>(sections);
}

/// How the source's images are prepared; null if they are loaded as they are.
template <class... Policies>
std::shared_ptr<const ImagePreparation> image_preparation_of(const Source<Policies...>&,
                                                             const Sections& sections) {
  return detail::preparation_for<typename Source<Policies...>::dataset>(sections);
}

inline std::shared_ptr<const ImagePreparation> image_preparation_of(const From<CondensedPack>&,
                                                                    const Sections& sections) {
  return detail::preparation_for<NoPolicy>(sections);
}

/// The source's codec, for `device`; one without a network in this version, or without its weights,
/// throws InputError when it is used.
template <class... Policies>
std::shared_ptr<const Codec> codec_of(const Source<Policies...>&, const Sections& sections,
                                      const std::string& device) {
  return detail::codec_for<typename Source<Policies...>::codec>(sections, device);
}

inline std::shared_ptr<const Codec> codec_of(const From<CondensedPack>&, const Sections& sections,
                                             const std::string& device) {
  return detail::codec_for<NoPolicy>(sections, device);
}

/// Makes the cache of latents that [data] latent_cache names unless it is finished; one process at
/// a time. Throws as the loader and make_latent_cache; does nothing for a codec without a cache,
/// which check_stage refuses.
template <class... Policies>
void make_latents(const Source<Policies...>&, const Sections& sections, const std::string& device,
                  const ImageLoader& images, Progress& progress) {
  const DataConfig& data = sections.get<DataConfig>();
  detail::with_policy_or_named<typename Source<Policies...>::codec>(
      KnownCodecs{}, data.codec, "codec", [&]<class C>() {
        if constexpr (detail::HasLatentCache<C>) {
          detail::make_latents_of<C>(sections, device, images, progress);
        }
      });
}

/// Reports missing files of the data set, where it is read, and of the codec, codecs that cannot be
/// made, and a cache of latents that does not fit.
template <class... Policies>
void check_stage(const Source<Policies...>&, const StageContext& context, Problems& problems) {
  using Stage = Source<Policies...>;
  const DataConfig& data = context.section<DataConfig>();
  detail::check_images_of<typename Stage::dataset>(context, problems);
  detail::with_policy_or_named<typename Stage::codec>(
      KnownCodecs{}, data.codec, "codec", [&]<class C>() {
        detail::check_codec<C>(data, true, problems);
        detail::check_cache_of<C>(context, problems);
      });
}

inline void check_stage(const From<CondensedPack>&, const StageContext& context,
                        Problems& problems) {
  const DataConfig& data = context.section<DataConfig>();
  const std::filesystem::path pack = data.pack;
  const std::filesystem::path file = condensed_file(pack);
  if (pack.empty() || !is_file(file)) {
    problems.add("[data] pack",
                 "expected the folder of a condensed pack, found " +
                     (pack.empty() ? std::string("an empty string") : "no file " + file.string()));
  }
  bool encodes = false; // the images of a pack, to train on
  if (!pack.empty() && is_file(file)) {
    problems.check("[data] pack", [&] { encodes = PackFile{file}.has_images(); });
  }
  detail::check_images_of<NoPolicy>(context, problems);
  detail::with_policy_or_named<NoPolicy>(KnownCodecs{}, data.codec, "codec", [&]<class C>() {
    detail::check_codec<C>(data, encodes || context.decodes, problems);
  });
  detail::refuse_latent_cache(data, "in a pipeline that begins with a pack", problems);
}

} // namespace d2c
