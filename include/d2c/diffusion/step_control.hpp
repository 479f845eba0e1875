#pragma once
/// Whose error decides the steps of an adaptive solver.

#include <array>
#include <string_view>

#include <d2c/diffusion/option_name.hpp>

namespace d2c {

/// `sample`: every sample has steps of its own, so it does not depend on its batch, and the last
/// one ends where the integration does. `torchdiffeq`: as that package does it, and with it the
/// published SiT numbers: one step for the whole batch by the mean error over all of it, past the
/// end of the integration and interpolated back.
enum class StepControl { sample, torchdiffeq };

template <>
inline constexpr std::array<std::string_view, 2> option_names<StepControl>{"sample", "torchdiffeq"};

} // namespace d2c
