#pragma once
/// What guidance extrapolates away from.

#include <array>
#include <string_view>

#include <d2c/diffusion/option_name.hpp>

namespace d2c {

/// Which conditions the reference prediction of guidance is without, for networks that take a class
/// and a text (DC-Embedding); a network of one condition knows `joint` alone. `independent` guides
/// both with a scale of their own.
enum class GuidanceNull { joint, class_only, text_only, independent };

template <>
inline constexpr std::array<std::string_view, 4> option_names<GuidanceNull>{"joint", "class",
                                                                            "text", "independent"};

} // namespace d2c
