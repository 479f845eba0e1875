#pragma once
/// What PathMatching and DdpmMatching ask of the types they are put together from.

#include <concepts>
#include <cstddef>
#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// How data and noise mix: `kind`, and for tensors `at(t)`, the PathWeights at times t.
template <class P>
concept PathPart = requires {
  {std::string_view(P::name)};
  { P::kind } -> std::convertible_to<PathKind>;
};

/// What the network predicts.
template <class P>
concept TargetPart = requires {
  {std::string_view(P::name)};
  { P::kind } -> std::convertible_to<TargetKind>;
};

/// How the loss is weighed over time: `fits(target)` says for which targets it is defined;
/// `weight(target, at)`, except for Unweighted, is the factor of the squared error.
template <class P>
concept WeightPart = requires(TargetKind target) {
  {std::string_view(P::name)};
  { P::fits(target) } -> std::same_as<bool>;
};

/// Whether the network has a variance head.
template <class P>
concept VariancePart = requires {
  {std::string_view(P::name)};
  { P::learned } -> std::convertible_to<bool>;
};

/// A part's name as a value for longer names.
template <class Part>
[[nodiscard]] constexpr auto part_name() {
  constexpr std::string_view name{Part::name};
  fixed_string<name.size()> text;
  for (std::size_t i = 0; i < name.size(); ++i) {
    text.characters[i] = name[i];
  }
  return text;
}

} // namespace d2c
