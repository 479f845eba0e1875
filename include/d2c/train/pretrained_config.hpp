#pragma once
/// The configuration section [pretrained].

#include <string>
#include <string_view>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// Which trained weights stand for a training.
struct PretrainedConfig {
  static constexpr std::string_view section = "pretrained";

  std::string weights;                 ///< a file, or a folder with final.safetensors
  std::string weights_part = "ema";    ///< "ema" or "model" of a file that holds both
  std::string weights_layout = "auto"; ///< "dit", "sit" or "repa": see PublishedLayout
};

} // namespace d2c

D2C_CONFIG(d2c::PretrainedConfig, weights, weights_part, weights_layout)
