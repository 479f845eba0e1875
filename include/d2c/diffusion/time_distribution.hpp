#pragma once
/// The concept of a distribution of training times.

#include <concepts>
#include <cstdint>
#include <string_view>

#include <d2c/core/roles.hpp>

namespace d2c {

/// A time distribution D draws u in (0, 1) for one sample of one training step. The objective turns
/// u into a network time. The draw depends on (seed, step, sample) alone.
template <class D>
concept TimeDistributionPolicy = std::same_as<typename D::role, roles::time_distribution> &&
    requires(std::uint64_t seed, std::uint32_t step, std::uint32_t sample) {
  {std::string_view(D::name)};
  { D::draw(seed, step, sample) } -> std::same_as<float>;
};

} // namespace d2c
