#pragma once
/// What the class token of a vision encoder is.

#include <string_view>

namespace d2c {

/// `own`: a token that the network itself computes over the whole image (a transformer's CLS,
/// after its last layer norm, unscaled). `pooled`: the network has none; the mean of its patch
/// tokens stands for it, the global average pool of a convolutional network.
enum class ClassTokenOrigin { own, pooled };

constexpr std::string_view name_of(ClassTokenOrigin origin) {
  return origin == ClassTokenOrigin::own ? "own" : "pooled";
}

} // namespace d2c
