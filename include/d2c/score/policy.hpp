#pragma once
/// What a Scorer asks of its estimator.

#include <concepts>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>

namespace d2c {

/// How losses at many times and noises become one score per image, as a type.
template <class T>
concept EstimatorPolicy = Policy<T> && std::same_as<typename T::role, roles::estimator>;

template <class T>
inline constexpr bool satisfies_role<roles::estimator, T> = EstimatorPolicy<T>;

} // namespace d2c
