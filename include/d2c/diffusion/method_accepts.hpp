#pragma once
/// Which objectives a sampling method can follow.

#include <d2c/diffusion/parametrisation.hpp>

namespace d2c {

/// Whether a method can follow an objective of this parametrisation with some options.
template <class M>
[[nodiscard]] constexpr bool method_accepts(const Parametrisation& parametrisation) {
  if constexpr (requires { M::accepts(parametrisation); }) {
    return M::accepts(parametrisation);
  } else {
    return true;
  }
}

} // namespace d2c
