#pragma once
/// What is said of encoders whose facts are known and whose network is not part of this version.
/// Torch-free.

#include <string>
#include <string_view>

namespace d2c {

/// One sentence for an encoder type without make_encoder; `name` is the type's.
inline std::string missing_network(std::string_view name) {
  return "[d2c.encoder.network] attaching with " + std::string(name) +
         " needs its network, of which this version has only the type and its facts; use an "
         "encoder with a network (T5 or MiniLM for text, DINOv2 or EfficientNetLite0<Grid> for "
         "images) or declare make_encoder(" +
         std::string(name) + ", const AttachConfig&, at::Device) beside your own";
}

} // namespace d2c
