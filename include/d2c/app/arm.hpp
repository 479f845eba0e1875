#pragma once
/// One pipeline of a program at run time: its stages in order, its facts, its data. Made from the
/// pipeline's type here, used without types everywhere else.

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <d2c/app/experiment_facts.hpp>
#include <d2c/app/image_preparation.hpp>
#include <d2c/app/latent_encoder_of.hpp>
#include <d2c/app/run_config.hpp>
#include <d2c/app/stage_node.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/file_hashes.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/data_set_size.hpp>
#include <d2c/data/latent_cache.hpp>
#include <d2c/evaluate/evaluate_config.hpp>

namespace d2c {

/// What compare() sets beside others. `name` is empty for a pipeline without a name.
struct Arm {
  std::string name;
  std::string pipeline; ///< type name
  std::vector<StageNode> stages;
  ExperimentFacts facts;
  std::string dataset;                     ///< its name
  DataSetSize size;                        ///< of its images
  std::array<std::int64_t, 2> published{}; ///< images of the splits as published; 0: not known
  ImageLoader images;
  std::shared_ptr<const ImagePreparation> preparation; ///< null: images are loaded as they are
  std::function<std::shared_ptr<const Codec>(const std::string& device)> codec;
  /// Makes the cache of latents if [data] names one that is not finished; empty: there is none.
  std::function<void(const std::string& device, Progress& progress)> make_latents;
  FileHashes hashes{}; ///< of the files that its stages read

  /// Whether it begins with a condensed pack, that of [data] pack.
  [[nodiscard]] bool begins_with_pack() const {
    return !stages.empty() && has(stages.front().text.provides, "CondensedPack");
  }

  /// Whether a stage reads images: to sample from trained weights needs none, nor does training
  /// where the pipeline begins with a pack.
  [[nodiscard]] bool needs_images() const {
    return std::any_of(stages.begin(), stages.end(), [&](const StageNode& stage) {
      return has(stage.text.needs, "Images") && !(begins_with_pack() && stage.kind() == "train");
    });
  }

  /// Whether a stage shows what it has in model space: samples, or the images of a pack.
  [[nodiscard]] bool decodes() const {
    return std::any_of(stages.begin(), stages.end(), [](const StageNode& stage) {
      return stage.kind() == "sample" || stage.kind() == "evaluate";
    });
  }

  /// Whether it judges by the test split, and not by [evaluate] reference.
  [[nodiscard]] bool needs_test_images(const Sections& sections) const {
    return needs_images() && sections.get<EvaluateConfig>().reference.empty() &&
           std::any_of(stages.begin(), stages.end(),
                       [](const StageNode& stage) { return stage.kind() == "evaluate"; });
  }

  /// Images of a split; decodes none.
  [[nodiscard]] std::int64_t image_count(Split split) const {
    return preparation ? preparation->count(split) : images(split).size();
  }

  /// The same, as published where the files cannot be counted. Throws InputError where neither is
  /// known.
  [[nodiscard]] std::int64_t expected_images(Split split) const {
    try {
      return image_count(split);
    } catch (const InputError&) {
      const std::int64_t count = published[split == Split::train ? 0 : 1];
      if (count == 0) {
        throw;
      }
      return count;
    }
  }

private:
  static bool has(const std::vector<std::string_view>& artifacts, std::string_view artifact) {
    return std::find(artifacts.begin(), artifacts.end(), artifact) != artifacts.end();
  }
};

namespace detail {

template <class... Stages>
void add_stages(type_list<Stages...>, Arm& arm, const Sections& sections,
                const std::string& arithmetic) {
  const RunConfig& run = sections.get<RunConfig>();
  std::map<std::string, std::string> makers;
  int level = -1;
  std::map<int, int> seen; // stages of a rank so far
  const auto add = [&]<class Earlier, class S>() {
    StageNode node = make_stage_node<S, Earlier>(sections, arm.facts, seed_of(run, S::kind),
                                                 arithmetic, arm.hashes, makers);
    const int rank = stage_rank(S::kind);
    // Sixteen places per rank: room for several stages of one kind, one after the other.
    node.level = rank < 0 ? level + 1 : std::max(16 * rank + seen[rank]++, level + 1);
    level = node.level;
    arm.stages.push_back(std::move(node));
  };
  const auto walk = [&]<class Earlier, class First, class... Rest>(const auto& self) {
    add.template operator()<Earlier, First>();
    if constexpr (sizeof...(Rest) > 0) {
      using Resolved = resolved_stage_t<First, Earlier>;
      self.template operator()<unite_t<Earlier, provides_t<Resolved>>, Rest...>(self);
    }
  };
  walk.template operator()<type_list<>, Stages...>(walk);
}

} // namespace detail

/// The arm of pipeline P (a Pipeline or a Named one). The first stage is its source; its data comes
/// from image_loader_of(source, sections), image_preparation_of(source, sections) if there is one,
/// codec_of(source, sections, device), and make_latents(source, sections, device, images, progress)
/// if there is one, found by the type of the source. Adds problems found on the way. `hashes` is
/// what all arms of a program share.
template <class P>
Arm make_arm(const Sections& sections, Problems& problems, FileHashes hashes = FileHashes{}) {
  using Stages = typename P::stages;
  Arm arm;
  arm.hashes = std::move(hashes);
  if constexpr (requires { P::arm; }) {
    arm.name = std::string(std::string_view{P::arm});
  }
  arm.pipeline = P::type_name();
  arm.facts = experiment_facts<P>(sections.get<DataConfig>(), problems);
  if (!problems.empty()) {
    return arm;
  }
  const auto& data = sections.get<DataConfig>();
  with_dataset<P>(data, problems, [&]<class D>() {
    arm.dataset = D::name;
    arm.size = data_set_size<D>(data, problems);
    arm.published = {published_images<D>(Split::train), published_images<D>(Split::test)};
  });
  // Latents of a cache that this run's codec would not give take the place of its arithmetic.
  std::string arithmetic = arithmetic_of(sections.get<RunConfig>());
  if (!data.latent_cache.empty()) {
    problems.check("[data] latent_cache", [&] {
      const std::string latents =
          LatentCache{data.latent_cache}.key(latent_encoder_of(sections, arm.hashes));
      arithmetic += latents.empty() ? "" : "\nlatents xxh3:" + latents;
    });
  }
  detail::add_stages(Stages{}, arm, sections, arithmetic);
  []<class Source, class... Rest>(type_list<Source, Rest...>, Arm& made, const Sections& given) {
    made.images = image_loader_of(Source{}, given);
    if constexpr (requires { image_preparation_of(Source{}, given); }) {
      made.preparation = image_preparation_of(Source{}, given);
    }
    if constexpr (requires(Progress & progress) {
                    make_latents(Source{}, given, std::string{}, made.images, progress);
                  }) {
      if (!given.get<DataConfig>().latent_cache.empty()) {
        made.make_latents = [&given, images = made.images](const std::string& device,
                                                           Progress& progress) {
          make_latents(Source{}, given, device, images, progress);
        };
      }
    }
    made.codec = [&given](const std::string& device) {
      return std::shared_ptr<const Codec>(codec_of(Source{}, given, device));
    };
  }(Stages{}, arm, sections);
  return arm;
}

} // namespace d2c
