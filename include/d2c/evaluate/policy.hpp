#pragma once
/// What an Evaluator asks of its metrics.

#include <concepts>
#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>

namespace d2c {

/// A network whose features measures are taken in, as a type.
template <class T>
concept FeatureNetwork = requires {
  { T::name } -> std::convertible_to<std::string_view>;
  { T::width } -> std::convertible_to<int>;
};

/// A measure of generated images, as a type.
template <class T>
concept MetricPolicy = Policy<T> && std::same_as<typename T::role, roles::metric>;

template <class T>
inline constexpr bool satisfies_role<roles::metric, T> = MetricPolicy<T>;

} // namespace d2c
