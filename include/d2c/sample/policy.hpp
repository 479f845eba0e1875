#pragma once
/// What a Sampler asks of its method.

#include <concepts>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>

namespace d2c {

/// A solver that turns noise into images, as a type. What it computes is checked against a tensor
/// type by SamplingPolicy (diffusion/sampling_policy.hpp). Optional: `accepts(parametrisation)`,
/// for a solver that cannot follow every path or target.
template <class T>
concept SamplingFacts = Policy<T> && std::same_as<typename T::role, roles::sampling_method>;

template <class T>
inline constexpr bool satisfies_role<roles::sampling_method, T> = SamplingFacts<T>;

} // namespace d2c
