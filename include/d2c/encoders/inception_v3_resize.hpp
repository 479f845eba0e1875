#pragma once
/// The two ways in which evaluators bring images to the 299 pixels of Inception-v3, as types. The
/// arithmetic is in encoders/inception_v3_network.hpp.

#include <concepts>
#include <string_view>

#include <d2c/core/fixed_string.hpp>

namespace d2c {

/// Which preparation a type stands for.
enum class InceptionResize {
  tensorflow, ///< bilinear from the corner, then (x - 128) / 128
  half_pixel  ///< bilinear between pixel centres of x / 255, then 2 x - 1
};

/// The bilinear resize of TensorFlow 1, which is part of the published graph: source = target * in
/// / out in float32, no antialiasing. What ADM's evaluator, TTUR and torch-fidelity compute.
struct TensorFlowResize {
  static constexpr InceptionResize rule = InceptionResize::tensorflow;
  static constexpr fixed_string text = "TensorFlowResize";
  static constexpr std::string_view name = text;
};

/// Bilinear between pixel centres, no antialiasing: pytorch-fid's. Distances under it do not
/// compare with those of the other resize.
struct HalfPixelResize {
  static constexpr InceptionResize rule = InceptionResize::half_pixel;
  static constexpr fixed_string text = "HalfPixelResize";
  static constexpr std::string_view name = text;
  static constexpr std::string_view suffix = "half_pixel"; ///< of the names of numbers
};

/// A type that names a preparation.
template <class T>
concept InceptionResizePolicy = requires {
  { T::rule } -> std::convertible_to<InceptionResize>;
  { T::name } -> std::convertible_to<std::string_view>;
  T::text.size();
};

} // namespace d2c
