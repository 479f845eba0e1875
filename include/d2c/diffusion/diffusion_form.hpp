#pragma once
/// How much noise a stochastic sampler adds along the way: SiT's diffusion coefficients.

#include <array>
#include <string_view>

#include <d2c/diffusion/option_name.hpp>

namespace d2c {

/// Forms of the diffusion coefficient w(t) of the reverse SDE dx = (v - w score) dt + sqrt(2 w) dW
/// (Ma et al. 2024, section 2.4). Every form leaves the distribution at each time what it is. With
/// t = 0 data, eta the norm, and a dot for d/dt:
///   constant               eta
///   sbdm                   eta (sigma sigma. - sigma^2 alpha. / alpha), infinite where alpha is 0
///   sigma                  eta sigma
///   linear                 eta t
///   decreasing             (1 - eta cos(pi t))^2 / 4
///   increasing_decreasing  eta sin^2(pi t)
enum class DiffusionForm { constant, sbdm, sigma, linear, decreasing, increasing_decreasing };

template <>
inline constexpr std::array<std::string_view, 6> option_names<DiffusionForm>{
    "constant", "sbdm", "sigma", "linear", "decreasing", "increasing-decreasing"};

} // namespace d2c
