#pragma once
/// Keys of a configuration section that change how a result is made, not the result.

#include <algorithm>
#include <string_view>

namespace d2c {

/// False for the keys that the section lists in `static constexpr std::array<std::string_view, n>
/// no_effect`: a finished result stands whatever their value. Sections without such keys have no
/// list.
template <class Section>
constexpr bool changes_results(std::string_view key) {
  if constexpr (requires { Section::no_effect; }) {
    return std::ranges::find(Section::no_effect, key) == Section::no_effect.end();
  } else {
    return true;
  }
}

/// As above for one section's values: a section whose other values can give such a key an effect
/// says so with `bool decides(std::string_view key) const`.
template <class Section>
bool changes_results(const Section& section, std::string_view key) {
  if constexpr (requires { section.decides(key); }) {
    return changes_results<Section>(key) || section.decides(key);
  } else {
    return changes_results<Section>(key);
  }
}

} // namespace d2c
