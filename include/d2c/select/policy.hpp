#pragma once
/// What a Selector asks of its policies.

#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/select/candidate.hpp>

namespace d2c {

/// A rule that picks images of one class. `select` is given the class's candidates, from easy to
/// hard where the policy needs Scores, and returns as many different positions as `request.budget`,
/// in the order of their rank.
template <class T>
concept SelectionPolicy = Policy<T> && std::same_as<typename T::role, roles::selection> &&
    std::default_initializable<T> &&
    requires(const T& policy, std::span<const Candidate> candidates,
             const SelectionRequest& request) {
  { policy.select(candidates, request) } -> std::same_as<std::vector<std::size_t>>;
};

/// How many images of a class are kept: `per_class`, or 0 to read it from [select] per_class.
template <class T>
concept BudgetPolicy = Policy<T> && std::same_as<typename T::role, roles::budget> && requires {
  { T::per_class } -> std::convertible_to<int>;
};

template <class T>
inline constexpr bool satisfies_role<roles::selection, T> = SelectionPolicy<T>;

template <class T>
inline constexpr bool satisfies_role<roles::budget, T> = BudgetPolicy<T>;

} // namespace d2c
