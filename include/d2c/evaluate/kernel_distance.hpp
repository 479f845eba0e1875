#pragma once
/// The squared maximum mean discrepancy between two sets of features, whatever network they come
/// from. It is a KID only on the features of the published Inception network.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/evaluate/legacy_permutation.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Over random subsets; may lie below 0 where the sets are alike.
struct KernelDistance {
  double mean = 0;
  double deviation = 0; ///< of the subsets, divided by their number
};

/// The unbiased estimate of MMD^2 with the kernel (u.v / D + 1)^3 of two sets [m, D] of one size,
/// in float64 (Binkowski et al. 2018, Eq. 4).
inline double squared_discrepancy(const Tensor& first, const Tensor& second) {
  const auto m = static_cast<double>(first.size(0));
  const auto kernel = [](const Tensor& left, const Tensor& right) {
    return (at::matmul(left, right.t()) / static_cast<double>(left.size(1)) + 1.0).pow(3);
  };
  const auto within = [&](const Tensor& set) {
    const Tensor values = kernel(set, set);
    return (values.sum() - values.diagonal().sum()).item<double>() / (m * (m - 1.0));
  };
  const double between = kernel(first, second).mean().item<double>();
  return within(first) + within(second) - 2.0 * between;
}

/// MMD^2 over `subsets` pairs of random subsets of `subset_size` rows of `samples` [n, D] and
/// `reference` [m, D]; the subsets are those of torch-fidelity for this seed. Throws InputError if
/// a set has fewer rows than a subset, the widths differ, or a subset has fewer than two rows.
template <class = Once>
KernelDistance kernel_distance(const Tensor& samples, const Tensor& reference,
                               std::int64_t subsets = 100, std::int64_t subset_size = 1000,
                               std::uint32_t seed = 2020) {
  if (samples.dim() != 2 || reference.dim() != 2 || samples.size(1) != reference.size(1)) {
    throw InputError("kernel distance: expected two sets of features of one width, found shapes " +
                     c10::str(samples.sizes()) + " and " + c10::str(reference.sizes()));
  }
  if (subsets < 1 || subset_size < 2 ||
      std::min(samples.size(0), reference.size(0)) < subset_size) {
    throw InputError("kernel distance: expected at least 1 subset of at least 2 images and no "
                     "larger than a set, found " +
                     std::to_string(subsets) + " subsets of " + std::to_string(subset_size) +
                     " of sets of " + std::to_string(samples.size(0)) + " and " +
                     std::to_string(reference.size(0)));
  }
  LegacyPermutation permutation{seed};
  const auto subset = [&](const Tensor& set) {
    std::vector<std::int64_t> rows = permutation.next(set.size(0));
    rows.resize(static_cast<std::size_t>(subset_size));
    return set.index_select(0, at::tensor(rows, at::kLong)).to(at::kDouble);
  };
  std::vector<double> values;
  for (std::int64_t i = 0; i < subsets; ++i) {
    const Tensor made = subset(samples); // the first of each pair is drawn first
    values.push_back(squared_discrepancy(made, subset(reference)));
  }
  KernelDistance distance;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) {
    distance.mean += value / count;
  }
  for (const double value : values) {
    distance.deviation += (value - distance.mean) * (value - distance.mean) / count;
  }
  distance.deviation = std::sqrt(distance.deviation);
  return distance;
}
D2C_COMPILED_ONCE(KernelDistance kernel_distance<>(const Tensor&, const Tensor&, std::int64_t,
                                                   std::int64_t, std::uint32_t))

} // namespace d2c
