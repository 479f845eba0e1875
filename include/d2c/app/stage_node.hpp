#pragma once
/// A stage of a pipeline at run time: its description, its key, and the functions that check and
/// run it. Made from the type here, used without types everywhere else.

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <d2c/app/frozen_network.hpp>
#include <d2c/app/stage_order.hpp>
#include <d2c/attach/condensed_file.hpp>
#include <d2c/config/dump.hpp>
#include <d2c/config/no_effect.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/file_hashes.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/shard_index.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/train/denoiser_file.hpp>

namespace d2c {

/// What is known of one stage before it runs.
struct StageNode {
  StageDescription text;
  std::vector<std::string> autos;    ///< "AutoCondition is DCEmbedding"
  std::vector<std::string> sections; ///< names of the configuration sections it reads
  std::optional<NetworkShape> network;
  std::vector<FrozenNetwork> frozen;             ///< networks that it loads and does not train
  std::vector<std::filesystem::path> companions; ///< what its policies read beside those
  /// Network evaluations per image of a sampler, for what the denoiser predicts.
  std::function<double(const Parametrisation&)> network_calls;
  std::optional<Parametrisation> parametrisation; ///< what its objective trains
  bool keeps_whole_classes = false;               ///< a selection of every image
  std::map<std::string, std::string> input_files; ///< files named by its sections, with hash
  std::map<std::string, std::string> made_from;   ///< artifact to key of its maker
  std::uint64_t seed = 0;
  std::string key;
  std::string growth; ///< equal for stages whose results this one can begin with; or empty
  int level = 0;      ///< stages run level by level; equal levels of different arms are independent
  std::function<void(StageContext&)> run; ///< empty for a source
  std::function<void(const StageContext&, Problems&)> check;

  [[nodiscard]] const std::string& kind() const { return text.kind; }

  /// Whether it trains a denoiser as [train] says; a stage may also take one from a file.
  [[nodiscard]] bool trains() const {
    return std::find(sections.begin(), sections.end(), "train") != sections.end();
  }
};

namespace detail {

/// The hash of a file (noted in `input_files`); those of its shards follow an index of weights.
/// What is wrong with an index, the encoder's check says.
inline std::string content_of_file(const std::filesystem::path& file, const FileHashes& hash_of,
                                   std::map<std::string, std::string>& input_files) {
  std::vector<std::filesystem::path> all{file};
  if (ShardIndex::is_index(file)) {
    try {
      const auto shards = ShardIndex{file}.shards();
      all.insert(all.end(), shards.begin(), shards.end());
    } catch (const InputError&) {
      all.resize(1);
    }
  }
  std::string hashes;
  for (const auto& each : all) {
    if (is_file(each)) {
      const std::string hash = hash_of(each);
      input_files[each.string()] = hash;
      hashes += (hashes.empty() ? "" : " ") + hash;
    }
  }
  return hashes;
}

/// One section as text for the key, without the keys that the stage does not read and those that
/// change no result. A file is represented by its content, so that moving it changes nothing and
/// replacing it changes the key; the prompt concerns attaching alone.
template <class Section>
std::string key_text(const Section& section, bool with_prompt,
                     const std::vector<std::string_view>& unread, const FileHashes& hash_of,
                     std::map<std::string, std::string>& input_files) {
  std::string text = "[" + std::string(Section::section) + "]\n";
  for_each_field(section, [&](std::string_view key, const auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if constexpr (std::same_as<Section, DataConfig>) {
      if (key == "prompt" && !with_prompt) {
        return;
      }
    }
    const std::string name = std::string(Section::section) + "." + std::string(key);
    if (!changes_results(section, key) ||
        std::find(unread.begin(), unread.end(), name) != unread.end()) {
      return;
    }
    std::string value = toml_value<Field>(field);
    if constexpr (std::same_as<Field, std::string>) {
      // A condensed pack is named by its folder, and so may a denoiser be.
      std::error_code ignored;
      const std::filesystem::path pack = condensed_file(field);
      const std::filesystem::path file =
          std::filesystem::exists(pack, ignored) ? pack : denoiser_file(field);
      if (!field.empty() && is_file(file)) {
        value = "xxh3:" + content_of_file(file, hash_of, input_files);
      }
    }
    text += std::string(key) + " = " + value + "\n";
  });
  return text;
}

template <class... Declared, class... Resolved>
void name_autos(type_list<Declared...>, type_list<Resolved...>, std::vector<std::string>& autos) {
  const std::vector<std::string_view> before{std::string_view{Declared::name}...};
  const std::vector<std::string_view> after{std::string_view{Resolved::name}...};
  for (std::size_t i = 0; i < before.size() && i < after.size(); ++i) {
    if (before[i] != after[i]) {
      autos.push_back(std::string(before[i]) + " is " + std::string(after[i]));
    }
  }
}

/// Keys that only add to a result: a stage that says `static constexpr std::array<std::string_view,
/// n> growing_keys = {"score.columns", ...}` may begin with the files of an equal stage that
/// differs in these keys alone.
template <class S>
std::vector<std::string_view> growing_keys() {
  if constexpr (requires { S::growing_keys; }) {
    return {S::growing_keys.begin(), S::growing_keys.end()};
  } else {
    return {};
  }
}

/// `text` without the lines of `keys`, where text is what key_text returns.
inline std::string without_keys(const std::string& text,
                                const std::vector<std::string_view>& keys) {
  std::string kept;
  std::string section;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size() - 1);
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    if (line.starts_with('[')) {
      section = line.substr(1, line.find(']') - 1);
    }
    const std::string key = section + "." + line.substr(0, line.find(" = "));
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      kept += line + "\n";
    }
  }
  return kept;
}

/// Stages without randomness say `static constexpr bool uses_seed = false`.
template <class S>
constexpr bool uses_seed() {
  if constexpr (requires { S::uses_seed; }) {
    return S::uses_seed;
  } else {
    return true;
  }
}

/// Stages that compute nothing on the device say `static constexpr bool uses_device = false`.
template <class S>
constexpr bool uses_device() {
  if constexpr (requires { S::uses_device; }) {
    return S::uses_device;
  } else {
    return true;
  }
}

} // namespace detail

/// Changes when stored results of earlier versions must not be used any more.
inline constexpr int store_format = 1;

/// What the key of the resolved stage S stands for: the stage's type name, the keys it reads of its
/// sections and of [data], with the content of the files they name (added to `input_files`) and of
/// those that its policies read beside them (`companion_files`), the seed, `arithmetic` (which kind
/// of device computes, and how: results differ in bits; and whose latents are read), and
/// `made_from`, the keys of what it needs by artifact. Equal texts mean equal results. `hash_of` is
/// what all stages of a program share.
template <class S>
std::string stage_key_text(const Sections& sections, std::uint64_t seed,
                           const std::string& arithmetic,
                           const std::map<std::string, std::string>& made_from,
                           std::map<std::string, std::string>& input_files,
                           const FileHashes& hash_of = FileHashes{}) {
  constexpr std::string_view kind = S::kind;
  std::string text =
      "d2c store " + std::to_string(store_format) + "\nstage " + std::string(S::name()) + "\n";
  if (detail::uses_seed<S>() && kind != "source") {
    text += "seed " + std::to_string(seed) + "\n";
  }
  if (detail::uses_device<S>() && kind != "source") {
    text += "device " + arithmetic + "\n";
  }
  const std::vector<std::string_view> unread = unread_keys_of<S>();
  using Read = unite_t<type_list<DataConfig>, sections_of_t<S>>;
  for_each_type(Read{}, [&]<class Section>() {
    text +=
        detail::key_text(sections.get<Section>(), kind == "attach", unread, hash_of, input_files);
  });
  for_each_type(policies_of_t<S>{}, [&]<class Policy>() {
    if constexpr (requires { Policy::companion_files(sections); }) {
      for (const std::filesystem::path& file : Policy::companion_files(sections)) {
        text += "beside " + file.filename().string() +
                " = xxh3:" + detail::content_of_file(file, hash_of, input_files) + "\n";
      }
    }
  });
  for (const auto& [artifact, key] : made_from) {
    text += artifact + " " + key + "\n";
  }
  return text;
}

/// The node of stage `Declared`, resolved by the artifacts `Earlier` provides. `makers` maps each
/// artifact that exists so far to the key of its maker; the stage's own artifacts are added. Seed,
/// arithmetic and hashes as for stage_key_text.
template <class Declared, class Earlier>
StageNode make_stage_node(const Sections& sections, const ExperimentFacts& facts,
                          std::uint64_t seed, const std::string& arithmetic,
                          const FileHashes& hash_of, std::map<std::string, std::string>& makers) {
  using S = resolved_stage_t<Declared, Earlier>;
  StageNode node;
  node.text = describe_stage<S>();
  detail::name_autos(policies_of_t<Declared>{}, policies_of_t<S>{}, node.autos);
  using Read = unite_t<type_list<DataConfig>, sections_of_t<S>>;
  for_each_type(Read{}, [&]<class Section>() { node.sections.emplace_back(Section::section); });
  for (const std::string_view need : node.text.needs) {
    const std::string artifact{need};
    node.made_from[artifact] = makers[artifact];
  }
  node.seed = seed;
  const std::string text =
      stage_key_text<S>(sections, seed, arithmetic, node.made_from, node.input_files, hash_of);
  node.key = hash_of_text(text);
  if (const auto growing = detail::growing_keys<S>(); !growing.empty()) {
    node.growth = hash_of_text(detail::without_keys(text, growing));
  }
  for (const std::string_view provided : node.text.provides) {
    makers[std::string(provided)] = node.key;
  }

  if constexpr (requires {
                  { network_of(S{}, facts, sections) } -> std::convertible_to<NetworkShape>;
                }) {
    node.network = network_of(S{}, facts, sections);
  }
  if constexpr (requires { frozen_networks(S{}, facts, sections); }) {
    node.frozen = frozen_networks(S{}, facts, sections);
  }
  for_each_type(policies_of_t<S>{}, [&]<class Policy>() {
    if constexpr (requires { Policy::companion_files(sections); }) {
      for (std::filesystem::path& file : Policy::companion_files(sections)) {
        node.companions.push_back(std::move(file));
      }
    }
  });
  if constexpr (requires(const Parametrisation& predicted) {
                  network_calls(S{}, sections, predicted);
                }) {
    node.network_calls = [&sections](const Parametrisation& predicted) {
      return network_calls(S{}, sections, predicted);
    };
  }
  if constexpr (requires { S::objective::parametrisation; }) {
    node.parametrisation = S::objective::parametrisation;
  }
  if constexpr (requires { requires S::selection::whole_class; }) {
    node.keeps_whole_classes = true;
  }
  if constexpr (S::kind != std::string_view("source")) {
    node.run = [](StageContext& context) { run_stage(S{}, context); };
  }
  if constexpr (requires(const StageContext& context, Problems& problems) {
                  check_stage(S{}, context, problems);
                }) {
    node.check = [](const StageContext& context, Problems& problems) {
      check_stage(S{}, context, problems);
    };
  }
  return node;
}

} // namespace d2c
