#pragma once
/// The Frechet distance between two Gaussians, on whatever features their moments come from. It is
/// an FID only on the features of the published Inception network.

#include <algorithm>
#include <cmath>
#include <string>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/evaluate/feature_statistics.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) in float64 (Dowson and Landau 1982; Heusel et al.
/// 2017, Eq. 6). tr (S1 S2)^(1/2) is taken as the sum of the square roots of the eigenvalues of
/// S1^(1/2) S2 S1^(1/2), which is symmetric: no complex parts and no added diagonal, even where a
/// covariance is singular. Throws InputError if the widths differ or a moment is not finite.
template <class = Once>
double frechet_distance(const FeatureMoments& first, const FeatureMoments& second) {
  if (first.mean.sizes() != second.mean.sizes()) {
    throw InputError("Frechet distance: expected features of one width, found " +
                     c10::str(first.mean.sizes()) + " and " + c10::str(second.mean.sizes()));
  }
  for (const FeatureMoments* moments : {&first, &second}) {
    if (!at::isfinite(moments->covariance).all().item<bool>() ||
        !at::isfinite(moments->mean).all().item<bool>()) {
      throw InputError("Frechet distance: expected finite moments, found a NaN or an infinity in "
                       "the features of the " +
                       std::string{moments == &first ? "first" : "second"} + " set");
    }
  }
  const auto [values, vectors] = at::linalg_eigh(first.covariance);
  const Tensor root = at::matmul(vectors * values.clamp_min(0.0).sqrt(), vectors.t());
  const Tensor middle = at::matmul(at::matmul(root, second.covariance), root);
  const Tensor squares = at::linalg_eigvalsh((middle + middle.t()) * 0.5);
  const double cross = squares.clamp_min(0.0).sqrt().sum().item<double>();
  const double shift = (first.mean - second.mean).square().sum().item<double>();
  const double spread = first.covariance.trace().item<double>() +
                        second.covariance.trace().item<double>() - 2.0 * cross;
  return std::max(shift + spread, 0.0); // equal moments may round to -1e-12
}
D2C_COMPILED_ONCE(double frechet_distance<>(const FeatureMoments&, const FeatureMoments&))

} // namespace d2c
