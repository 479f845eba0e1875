#pragma once
/// The `[data]` section of a configuration: which images, in which space, under which prompt.

#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// `dataset` and `codec` choose the source where the pipeline's type does not pin it.
struct DataConfig {
  static constexpr std::string_view section = "data";

  std::string dataset = "imagenet"; ///< "imagenet" or "fashion-mnist"
  std::string codec = "sd-vae";     ///< "sd-vae" or "pixels"
  std::string root;                 ///< folder of the data set; empty: where its package puts it
  std::int64_t limit_per_class = 0; ///< keep only the first so many images of a class; 0: all
  std::string prompt = "a photo of a {}"; ///< text of a class; {} is its name
  std::string pack;                       ///< condensed pack, for pipelines that begin with one
};

} // namespace d2c

D2C_CONFIG(d2c::DataConfig, dataset, codec, root, limit_per_class, prompt, pack)
