#pragma once
/// The networks that a stage loads and does not train, with the files they come from: by the types
/// of its policies, or by [data] where a source leaves its codec open.

#include <string>
#include <string_view>
#include <vector>

#include <d2c/app/experiment_facts.hpp>
#include <d2c/app/network_cost.hpp>
#include <d2c/attach/attach_config.hpp>
#include <d2c/attach/attacher.hpp>
#include <d2c/core/contract.hpp>
#include <d2c/core/facts.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/core/type_list.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/source.hpp>
#include <d2c/encoders/dinov2_class_token.hpp>
#include <d2c/encoders/efficientnet_lite0_pool.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/evaluator.hpp>

namespace d2c {

/// One frozen network of a stage.
struct FrozenNetwork {
  enum class Use { text, images, codec, judging };

  Use use;
  std::string name;
  std::string key;  ///< "[attach] text_weights"
  std::string path; ///< what the configuration says there
  NetworkCost cost;
};

namespace detail {

template <class Tag>
void add_frozen(FrozenNetwork::Use use, std::string_view key, const std::string& path,
                std::vector<FrozenNetwork>& list) {
  if constexpr (requires { network_cost(Tag{}); }) {
    list.push_back({use, std::string(Tag::name), std::string(key), path, network_cost(Tag{})});
  }
}

template <class>
inline constexpr bool is_dinov2_class_token = false;
template <class Encoder>
inline constexpr bool is_dinov2_class_token<DINOv2ClassToken<Encoder>> = true;

} // namespace detail

template <class... Policies>
std::vector<FrozenNetwork> frozen_networks(const Source<Policies...>&, const ExperimentFacts& facts,
                                           const Sections& sections) {
  using Given = typename Source<Policies...>::codec;
  const auto& data = sections.get<DataConfig>();
  std::vector<FrozenNetwork> list;
  const auto add = [&]<class C>() {
    if constexpr (requires { codec_cost(C{}, 1, 1); }) {
      // An autoencoder's latents are smaller by one factor both ways.
      const int down = C::latent_extent(1024) > 0 ? 1024 / C::latent_extent(1024) : 1;
      list.push_back({FrozenNetwork::Use::codec, std::string(C::name), "[data] codec_weights",
                      data.codec_weights,
                      codec_cost(C{}, facts.latent_height * down, facts.latent_width * down)});
    }
  };
  if constexpr (detail::is_given<Given>) {
    add.template operator()<Given>();
  } else {
    Problems ignored; // the facts come from the same name
    detail::with_named(KnownCodecs{}, data.codec, "codec", ignored, add);
  }
  return list;
}

template <class... Policies>
std::vector<FrozenNetwork> frozen_networks(const Attacher<Policies...>&, const ExperimentFacts&,
                                           const Sections& sections) {
  using Stage = Attacher<Policies...>;
  const auto& config = sections.get<AttachConfig>();
  std::vector<FrozenNetwork> list;
  detail::add_frozen<typename Stage::text_encoder>(
      FrozenNetwork::Use::text, "[attach] text_weights", config.text_weights, list);
  detail::add_frozen<typename Stage::vision_encoder>(
      FrozenNetwork::Use::images, "[attach] vision_weights", config.vision_weights, list);
  return list;
}

template <class... Policies>
std::vector<FrozenNetwork> frozen_networks(const Evaluator<Policies...>&, const ExperimentFacts&,
                                           const Sections& sections) {
  const auto& config = sections.get<EvaluateConfig>();
  std::vector<FrozenNetwork> list;
  for_each_type(unite_t<type_list<typename Policies::features...>>{}, [&]<class Features>() {
    const auto add = [&](std::string_view key, const std::string& path) {
      detail::add_frozen<Features>(FrozenNetwork::Use::judging, key, path, list);
    };
    if constexpr (std::is_same_v<Features, EfficientNetLite0Pool>) {
      add("[evaluate] feature_weights", config.feature_weights);
    } else if constexpr (detail::is_dinov2_class_token<Features>) {
      add("[evaluate] dinov2_weights", config.dinov2_weights);
    } else {
      add("[evaluate] inception_weights", config.inception_weights);
    }
  });
  return list;
}

} // namespace d2c
