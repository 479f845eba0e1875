#pragma once
/// The stage that names where images come from and in which space they are condensed. The loaders
/// and codecs themselves are in the other headers of this folder.

#include <array>
#include <string>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/data/policy.hpp>

namespace d2c {

struct DataConfig; // data/data_config.hpp

/// Source<Dataset, Codec>: pins both as types, so that more is checked at compile time. An absent
/// one is read from [data]. A pipeline without a Source or From begins with `Source<>`.
template <class... Policies>
struct Source {
  using verdict = slots_verdict_t<Source, required_roles<>,
                                  optional_roles<roles::dataset, roles::codec>, Policies...>;
  using dataset = policy_for_t<roles::dataset, NoPolicy, Policies...>;
  using codec = policy_for_t<roles::codec, NoPolicy, Policies...>;
  using policies = filled_slots_t<dataset, codec>;
  using config = DataConfig;

  static constexpr std::string_view kind = "source";
  static constexpr auto needs = set_of<>;
  static constexpr auto provides = set_of<Images>;

  /// The keys that a named policy settles.
  static constexpr auto fixed_keys = [] {
    constexpr bool has_dataset = !std::is_same_v<dataset, NoPolicy>;
    constexpr bool has_codec = !std::is_same_v<codec, NoPolicy>;
    std::array<std::string_view, std::size_t{has_dataset} + std::size_t{has_codec}> keys{};
    if constexpr (has_dataset) {
      keys[0] = "data.dataset";
    }
    if constexpr (has_codec) {
      keys[std::size_t{has_dataset}] = "data.codec";
    }
    return keys;
  }();

  constexpr Source() { diagnostics::raise(verdict{}); }

  static std::string name() { return stage_name("Source", policies{}); }

  template <class Earlier>
  using resolved = apply_policies_t<Source, policies>;
};

} // namespace d2c
