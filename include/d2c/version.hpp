#pragma once
/// The version of d2c. CMake reads it from this file; nothing else holds it.

#include <string_view>

namespace d2c {

inline constexpr std::string_view version = "0.1.0";

} // namespace d2c
