#pragma once
/// How a stochastic sampler ends.

#include <array>
#include <string_view>

#include <d2c/diffusion/option_name.hpp>

namespace d2c {

/// What is done at t = last_step_size, where the noisy steps end (SiT): `none`: nothing, the noisy
/// steps go all the way; `mean`: one step of the reverse SDE without its noise; `euler`: one step
/// of the probability flow; `tweedie`: the predicted data.
enum class LastStep { none, mean, euler, tweedie };

template <>
inline constexpr std::array<std::string_view, 4> option_names<LastStep>{"none", "mean", "euler",
                                                                        "tweedie"};

} // namespace d2c
