#pragma once
/// What a network on patches asks of its input.

#include <cstdint>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Throws InputError, in the name of the network, unless an input is [n, 3, H, W] of float32 with H
/// and W multiples of the patch.
inline void check_patch_input(const Tensor& input, std::int64_t patch, const std::string& network) {
  if (input.dim() != 4 || input.size(1) != 3 || input.size(2) < patch || input.size(3) < patch ||
      input.size(2) % patch != 0 || input.size(3) % patch != 0 ||
      input.scalar_type() != at::kFloat) {
    throw InputError(network + ": expected an input [n, 3, H, W] of float32 with H and W " +
                     "multiples of " + std::to_string(patch) + ", found " +
                     c10::str(input.sizes()) + " of " + c10::toString(input.scalar_type()));
  }
}

} // namespace d2c
