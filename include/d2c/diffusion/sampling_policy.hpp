#pragma once
/// The concept of a sampling method: a solver that takes noise to data through a denoiser.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// A method M for states T (a tensor, or double in tests). `prediction` names what its denoiser
/// must predict, "velocity" or "noise". `refusal(options)` is empty or one sentence about options
/// it cannot honour. `sample(x, options, denoise, noise)` starts from standard normal x;
/// `denoise(x, t)` is called with the network time as double and returns Denoised<T>,
/// `noise(step)` returns a standard normal like x, a new one for each step.
template <class M, class T>
concept SamplingPolicy = std::same_as<typename M::role, roles::sampling_method> &&
    requires(const T& x, const SamplingOptions& options, Denoised<T> (*denoise)(const T&, double),
             T (*noise)(std::uint32_t)) {
  {std::string_view(M::name)};
  { M::prediction } -> std::convertible_to<std::string_view>;
  { M::refusal(options) } -> std::same_as<std::string>;
  { M::sample(x, options, denoise, noise) } -> std::same_as<T>;
};

} // namespace d2c
