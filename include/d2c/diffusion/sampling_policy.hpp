#pragma once
/// The concept of a sampling method: a solver that takes noise to data through a denoiser.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/diffusion/denoised.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/sampling_options.hpp>

namespace d2c {

/// A method M for states T (a tensor, or double in tests). `refusal(options, parametrisation)` is
/// empty or one sentence about what it cannot honour. `sample(x, options, field, noise)` starts
/// from standard normal x; `field` is the denoiser (diffusion/field.hpp), `noise(step)` returns a
/// standard normal like x, a new one for each step. A method that does not take every
/// parametrisation also has `static constexpr bool accepts(const Parametrisation&)`, by which a
/// pipeline that pairs it with an objective it cannot follow does not compile.
template <class M, class T>
concept SamplingPolicy = std::same_as<typename M::role, roles::sampling_method> &&
    requires(const T& x, const SamplingOptions& options, const Parametrisation& parametrisation,
             const Field<T, Denoised<T> (*)(const T&, double)>& field, T (*noise)(std::uint32_t)) {
  {std::string_view(M::name)};
  { M::refusal(options, parametrisation) } -> std::same_as<std::string>;
  { M::sample(x, options, field, noise) } -> std::same_as<T>;
};

} // namespace d2c
