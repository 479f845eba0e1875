#pragma once
/// What a Selector asks of its policies.

#include <concepts>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>

namespace d2c {

/// A rule that picks images of a class, as a type.
template <class T>
concept SelectionPolicy = Policy<T> && std::same_as<typename T::role, roles::selection>;

template <class T>
inline constexpr bool satisfies_role<roles::selection, T> = SelectionPolicy<T>;

} // namespace d2c
