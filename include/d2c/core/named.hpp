#pragma once
/// A pipeline under a short name, for programs that compare several.

#include <string_view>

#include <d2c/core/fixed_string.hpp>
#include <d2c/core/pipeline.hpp>

namespace d2c {

/// `Named<"random", Pipeline<...>>`: a pipeline whose arm in folders and tables is called "random".
template <fixed_string Arm, class P>
struct Named : P {
  using pipeline = P;
  static constexpr auto arm_text = Arm;
  static constexpr std::string_view arm = arm_text;
};

} // namespace d2c
