#pragma once
/// FD-DINOv2 as a type. Its body is evaluate/measures.hpp.

#include <d2c/encoders/dinov2_class_token.hpp>
#include <d2c/evaluate/frechet.hpp>

namespace d2c {

/// The Frechet distance on the class token of DINOv2 ViT-L/14 (Stein et al. 2023), as dgm-eval
/// computes it. Evaluator policy of role metric.
using FDDINOv2 = FrechetDistance<DINOv2ClassToken<>>;

} // namespace d2c
