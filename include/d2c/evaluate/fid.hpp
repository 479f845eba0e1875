#pragma once
/// The Frechet distances on Inception-v3 as types. Their bodies are in
/// evaluate/inception_measures.hpp.

#include <string_view>

#include <d2c/core/roles.hpp>
#include <d2c/encoders/inception_v3.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/policy.hpp>

namespace d2c {

/// FID (Heusel et al. 2017) with TensorFlow's resize, as ADM's evaluator and torch-fidelity compute
/// it. Evaluator policy of role metric, as are the others.
struct FID {
  using role = roles::metric;
  using features = InceptionV3<>;
  static constexpr FeatureParts parts{.moments = true};
  static constexpr std::string_view name = "FID";
};

/// FID with the half-pixel resize, as pytorch-fid computes it.
struct HalfPixelFID {
  using role = roles::metric;
  using features = InceptionV3<HalfPixelResize>;
  static constexpr FeatureParts parts{.moments = true};
  static constexpr std::string_view name = "HalfPixelFID";
};

/// sFID (Nash et al. 2021): the same distance on 2023 spatial features, as ADM's evaluator.
struct SpatialFID {
  using role = roles::metric;
  using features = InceptionV3<>;
  static constexpr FeatureParts parts{.spatial = true};
  static constexpr std::string_view name = "SpatialFID";
};

} // namespace d2c
