#pragma once
/// What a Sampler asks of its method.

#include <concepts>
#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>

namespace d2c {

/// A solver that turns noise into images, as a type; `prediction` is what it reads from the
/// denoiser, in the words of the objectives ("noise", "velocity").
template <class T>
concept SamplingFacts = Policy<T> && requires {
  { T::prediction } -> std::convertible_to<std::string_view>;
};

template <class T>
inline constexpr bool satisfies_role<roles::sampling_method, T> = SamplingFacts<T>;

} // namespace d2c
