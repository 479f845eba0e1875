#pragma once
/// The sizes stages agree on, from the types of a pipeline and, where a Source leaves them open,
/// from [data]. Reads no file.

#include <string>
#include <string_view>

#include <d2c/core/pipeline.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/cifar10.hpp>
#include <d2c/data/cifar100.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/data_set_size.hpp>
#include <d2c/data/fashion_mnist.hpp>
#include <d2c/data/image_folder.hpp>
#include <d2c/data/imagenet.hpp>
#include <d2c/data/latent.hpp>
#include <d2c/data/npz_images.hpp>
#include <d2c/data/pixels.hpp>
#include <d2c/data/web_dataset.hpp>

namespace d2c {

/// The data sets and codecs that [data] can name.
using KnownDatasets = type_list<ImageNet, FashionMNIST, Cifar10, Cifar100, Cifar100Coarse,
                                ImageFolder<>, WebDataset<>, NpzImages<>>;
using KnownCodecs = type_list<Latent<SDVae>, Pixels>;

namespace detail {

/// Calls f<T>() for the member whose config_name is `name`; adds a problem if there is none.
template <class Known, class Function>
void with_named(Known known, std::string_view name, std::string_view key, Problems& problems,
                Function&& f) {
  bool found = false;
  std::string names;
  for_each_type(known, [&]<class T>() {
    names += (names.empty() ? "\"" : ", \"") + std::string(T::config_name) + "\"";
    if (T::config_name == name) {
      found = true;
      f.template operator()<T>();
    }
  });
  if (!found) {
    problems.add("[data] " + std::string(key),
                 "expected one of " + names + ", found \"" + std::string(name) + "\"");
  }
}

template <class Codec>
void take_codec(const DataSetSize& size, ExperimentFacts& facts, Problems& problems) {
  if (!Codec::accepts(size.channels, size.height, size.width)) {
    problems.add("[data] codec", std::string(Codec::name) + " does not encode images of " +
                                     std::to_string(size.channels) + " x " +
                                     std::to_string(size.height) + " x " +
                                     std::to_string(size.width));
    return;
  }
  facts.latent_channels = Codec::latent_channels(size.channels);
  facts.latent_height = Codec::latent_extent(size.height);
  facts.latent_width = Codec::latent_extent(size.width);
}

} // namespace detail

/// Calls f<D>() for the data set of the pipeline P, by its types or by [data]; adds a problem where
/// [data] names none that there is.
template <class P, class Function>
void with_dataset(const DataConfig& data, Problems& problems, Function&& f) {
  using Policy = detail::pipeline_policy_t<roles::dataset, typename P::resolved_stages>;
  if constexpr (detail::is_given<Policy>) {
    f.template operator()<Policy>();
  } else {
    detail::with_named(KnownDatasets{}, data.dataset, "dataset", problems, f);
  }
}

/// Facts of the pipeline P. Adds a problem for a data set or codec that [data] names wrongly; the
/// sizes are zero then.
template <class P>
ExperimentFacts experiment_facts(const DataConfig& data, Problems& problems) {
  using Stages = typename P::resolved_stages;
  using CodecPolicy = detail::pipeline_policy_t<roles::codec, Stages>;
  ExperimentFacts facts = facts_of<P>();
  DataSetSize size;
  with_dataset<P>(data, problems, [&]<class D>() { size = data_set_size<D>(data, problems); });
  facts.classes = size.classes;
  if (size.classes == 0) {
    return facts;
  }
  if constexpr (detail::is_given<CodecPolicy>) {
    detail::take_codec<CodecPolicy>(size, facts, problems);
  } else {
    detail::with_named(KnownCodecs{}, data.codec, "codec", problems,
                       [&]<class T>() { detail::take_codec<T>(size, facts, problems); });
  }
  return facts;
}

} // namespace d2c
