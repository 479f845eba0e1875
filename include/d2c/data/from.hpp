#pragma once
/// The stage that begins a pipeline with an artifact of an earlier program instead of a data set.

#include <string>
#include <string_view>

#include <d2c/core/artifact.hpp>
#include <d2c/core/type_list.hpp>

namespace d2c {

struct DataConfig; // data/data_config.hpp

template <class Artifact>
struct From;

/// From<CondensedPack>: the pipeline begins with the pack named by [data] pack, which holds images
/// or latents, labels and tokens. Whether this pack has the tokens that later stages need is
/// checked before the run, because only the file knows.
template <>
struct From<CondensedPack> {
  using policies = type_list<>;
  using config = DataConfig;

  static constexpr std::string_view kind = "source";
  static constexpr auto needs = set_of<>;
  static constexpr auto provides =
      set_of<Images, Subset, TextTokens, VisualTokens, ClassTokens, CondensedPack>;

  static std::string name() { return "From<CondensedPack>"; }
};

} // namespace d2c
