#pragma once

/// The weights of data and noise of a batch, each image at its own time.
namespace d2c {

/// PathPoint (diffusion/path_point.hpp) for tensors T, in the form that images [B, C, H, W] are
/// multiplied by: [B, 1, 1, 1], or [1, 1, 1, 1] for one time of all.
template <class T>
struct PathWeights {
  T alpha;
  T sigma;
  T d_alpha;
  T d_sigma;

  /// See PathPoint::determinant.
  [[nodiscard]] T determinant() const { return alpha * d_sigma - sigma * d_alpha; }
};

} // namespace d2c
