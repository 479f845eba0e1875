#pragma once
/// What a denoiser says of one noisy state.

#include <optional>

namespace d2c {

/// The network's answer in the solver's number type: its target, and the raw variance head if it
/// has one.
template <class T>
struct Denoised {
  T prediction;
  std::optional<T> variance;
};

} // namespace d2c
