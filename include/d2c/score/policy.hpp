#pragma once
/// What a Scorer asks of its estimator.

#include <concepts>
#include <cstdint>
#include <vector>

#include <d2c/core/problem.hpp>
#include <d2c/core/roles.hpp>
#include <d2c/core/slots.hpp>
#include <d2c/score/score_column.hpp>
#include <d2c/score/score_config.hpp>

namespace d2c {

/// How losses at many times and noises become one score per image: `columns` lays out the columns
/// of the loss matrix, `check` adds a problem for a configuration it cannot lay out.
template <class T>
concept EstimatorPolicy = Policy<T> && std::same_as<typename T::role, roles::estimator> &&
    requires(const ScoreConfig& config, std::uint64_t seed, Problems& problems) {
  { T::columns(config, seed) } -> std::same_as<std::vector<ScoreColumn>>;
  T::check(config, problems);
};

template <class T>
inline constexpr bool satisfies_role<roles::estimator, T> = EstimatorPolicy<T>;

} // namespace d2c
