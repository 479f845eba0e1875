#pragma once
/// How many images a metric needs at least, so that too few are found before the work.

#include <cstdint>
#include <string_view>

#include <d2c/evaluate/density_coverage.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/inception_score.hpp>
#include <d2c/evaluate/kid.hpp>
#include <d2c/evaluate/precision_recall.hpp>

namespace d2c {

/// The fewest images of each set, and the key of [evaluate] that decides it, if one does; 0: any
/// number.
struct LeastImages {
  std::string_view key;
  std::int64_t samples = 0;
  std::int64_t held_out = 0;
};

/// Of a metric that says nothing.
template <class Metric>
LeastImages least_images(Metric, const EvaluateConfig&) {
  return {};
}

/// A ball around every image of both sets.
template <class Features>
LeastImages least_images(PrecisionRecall<Features>, const EvaluateConfig& config) {
  return {"neighbours", config.neighbours + 1, config.neighbours + 1};
}

/// A ball around every held-out image.
template <class Features>
LeastImages least_images(DensityCoverage<Features>, const EvaluateConfig& config) {
  return {"density_neighbours", 1, config.density_neighbours + 1};
}

/// One sample in each of ten parts.
inline LeastImages least_images(ShuffledInceptionScore, const EvaluateConfig&) {
  return {"", 10, 0};
}

/// A subset of each set.
inline LeastImages least_images(KID, const EvaluateConfig& config) {
  return {"kid_subset_size", config.kid_subset_size, config.kid_subset_size};
}

} // namespace d2c
