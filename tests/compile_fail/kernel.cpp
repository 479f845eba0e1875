// Kernels: only instances that were built can be launched.
//
// d2c-case 1: \[d2c\.kernel\.variant\] this build holds no philox_normal kernel

#include <d2c/kernels/philox_normal.hpp>

struct Element {};

#if D2C_CASE == 0
template <>
inline constexpr bool d2c::has_philox_normal<Element> = true;
#endif

int main() {
  const d2c::PhiloxNormalParams params{};
  auto launch = [&] { d2c::launch_philox_normal<Element>(params, nullptr); };
  static_cast<void>(launch);
}
