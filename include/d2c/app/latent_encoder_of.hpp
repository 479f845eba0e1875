#pragma once
/// What gives a run its latents, as the cache of latents records it. Torch-free.

#include <map>
#include <string>

#include <d2c/app/run_config.hpp>
#include <d2c/app/stage_node.hpp>
#include <d2c/core/file_hashes.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/latent_cache.hpp>

namespace d2c {

/// By [data] and [run]. Reads the file with the codec's weights; its hash is empty where it is
/// missing. `hash_of` is what all stages of a program share.
inline LatentEncoder latent_encoder_of(const Sections& sections,
                                       const FileHashes& hash_of = FileHashes{}) {
  const auto& data = sections.get<DataConfig>();
  std::map<std::string, std::string> files;
  return {.weights = detail::content_of_file(data.codec_weights, hash_of, files),
          .tile = data.codec_tile,
          .arithmetic = arithmetic_of(sections.get<RunConfig>())};
}

} // namespace d2c
