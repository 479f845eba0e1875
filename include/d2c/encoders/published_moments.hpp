#pragma once
/// Which moments in published archives are those of a network's features.

#include <d2c/encoders/inception_v3_resize.hpp>

namespace d2c {

/// The moments of an Inception-v3 behind this resize, and how wide they are.
struct PublishedMoments {
  InceptionResize resize = InceptionResize::tensorflow;
  int width = 0;         ///< of the pooled features, `mu`
  int spatial_width = 0; ///< of the spatial features, `mu_s`
};

} // namespace d2c
