#pragma once
/// From the source of a pipeline to its images and its codec: by its types, or by [data] where the
/// types leave them open.

#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include <d2c/app/experiment_facts.hpp>
#include <d2c/app/image_preparation.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/data/from.hpp>
#include <d2c/data/load_cifar.hpp>
#include <d2c/data/load_fashion_mnist.hpp>
#include <d2c/data/load_npz_images.hpp>
#include <d2c/data/open_image_folder.hpp>
#include <d2c/data/open_imagenet.hpp>
#include <d2c/data/open_web_dataset.hpp>
#include <d2c/data/pixels_codec.hpp>
#include <d2c/data/sd_vae_codec.hpp>
#include <d2c/data/source.hpp>
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
    if constexpr (ListedDataset<D>) {
      return preparation->load(split);
    } else if constexpr (requires { load_images(D{}, data, split); }) {
      return load_images(D{}, data, split);
    } else {
      throw InputError("[data] dataset: " + no_reader(D::name));
    }
  };
}

template <class D>
void check_dataset(const DataConfig& data, Problems& problems, bool needs_test_images) {
  if constexpr (requires { check_images(D{}, data, problems, needs_test_images); }) {
    check_images(D{}, data, problems, needs_test_images);
  } else if constexpr (requires { check_images(D{}, data, problems); }) {
    check_images(D{}, data, problems);
  } else {
    if (data.root.empty() || !std::filesystem::is_directory(data.root)) {
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

template <class C>
std::shared_ptr<const Codec> codec_named(const DataConfig& data, const std::string& device) {
  if constexpr (HasWeightedCodec<C>) {
    return make_codec(C{}, data, device);
  } else if constexpr (HasCodec<C>) {
    return make_codec(C{});
  } else {
    return std::make_shared<MissingCodec>("[data] codec: " + no_codec(C::name));
  }
}

template <class C>
void check_codec(const DataConfig& data, Problems& problems) {
  if constexpr (requires { C::weights; }) {
    if (!std::filesystem::is_regular_file(data.codec_weights)) {
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

template <class DatasetPolicy, class CodecPolicy>
void check_data(const StageContext& context, Problems& problems) {
  const DataConfig& data = context.section<DataConfig>();
  if (context.needs_images) {
    with_policy_or_named<DatasetPolicy>(KnownDatasets{}, data.dataset, "dataset", [&]<class D>() {
      check_dataset<D>(data, problems, context.needs_test_images);
    });
  }
  with_policy_or_named<CodecPolicy>(KnownCodecs{}, data.codec, "codec",
                                    [&]<class C>() { check_codec<C>(data, problems); });
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

/// Reports missing files of the data set, where it is read, and of the codec, and codecs that
/// cannot be made.
template <class... Policies>
void check_stage(const Source<Policies...>&, const StageContext& context, Problems& problems) {
  using Stage = Source<Policies...>;
  detail::check_data<typename Stage::dataset, typename Stage::codec>(context, problems);
}

inline void check_stage(const From<CondensedPack>&, const StageContext& context,
                        Problems& problems) {
  const std::filesystem::path pack = context.section<DataConfig>().pack;
  const auto file = std::filesystem::is_directory(pack) ? pack / "condensed.safetensors" : pack;
  if (pack.empty() || !std::filesystem::is_regular_file(file)) {
    problems.add("[data] pack",
                 "expected the folder of a condensed pack, found " +
                     (pack.empty() ? std::string("an empty string") : "no file " + file.string()));
  }
  detail::check_data<NoPolicy, NoPolicy>(context, problems);
}

} // namespace d2c
