#pragma once
/// The `[data]` section of a configuration: which images, in which space, under which prompt.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/config/adapt.hpp>

namespace d2c {

/// `dataset` and `codec` choose the source where the pipeline's type does not pin it.
struct DataConfig {
  static constexpr std::string_view section = "data";
  // What a cache changes is part of the keys by its content (data/latent_cache.hpp).
  static constexpr std::array<std::string_view, 1> no_effect = {"latent_cache"};

  std::string dataset = "imagenet"; ///< config_name of a data set
  std::string codec = "sd-vae";     ///< "sd-vae" or "pixels"
  std::string codec_weights;        ///< file with the weights of a codec that has some
  std::int64_t codec_tile = 0; ///< side of the tiles a codec works in, in pixels; 0: whole images
  std::string latent_cache;    ///< folder with the latents of all training images; empty: none
  std::string root;            ///< folder of the data set; empty: where its package puts it
  std::int64_t limit_per_class = 0;     ///< keep only the first so many images of a class; 0: all
  std::int64_t classes = 0;             ///< of a data set whose type leaves them open; 0: not given
  std::int64_t image_size = 0;          ///< height and width of its images; 0: not given
  std::int64_t pixel_limit = 178956970; ///< largest image file that is decoded, in pixels
  std::string prompt = "a photo of a {}"; ///< text of a class; {} is its name
  std::string pack;                       ///< condensed pack, for pipelines that begin with one
};

} // namespace d2c

D2C_CONFIG(d2c::DataConfig, dataset, codec, codec_weights, codec_tile, latent_cache, root,
           limit_per_class, classes, image_size, pixel_limit, prompt, pack)
