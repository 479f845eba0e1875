#pragma once
/// SigLIP as a vision encoder: patch tokens and the token of the pooling head.

#include <cstdint>
#include <memory>
#include <string>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/grid_encoder.hpp>
#include <d2c/encoders/siglip.hpp>
#include <d2c/encoders/siglip_network.hpp>
#include <d2c/encoders/siglip_tensors.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// What is wrong with the configured file, or nothing; reads nothing. No Python package carries
/// these weights.
inline std::string siglip_file_problem(const AttachConfig& config) {
  return configured_file_problem(
      config.vision_weights, "a file with the SigLIP weights (transformers' model.safetensors)");
}

/// The encoder of a shape and grid, from the configured file. Throws InputError if the file is
/// missing or holds another network.
template <class = Once>
std::unique_ptr<VisionEncoder> make_siglip(const SigLIPShape& shape, std::int64_t grid,
                                           const AttachConfig& config, at::Device device) {
  if (const std::string problem = siglip_file_problem(config); !problem.empty()) {
    throw InputError("attach.vision_weights: " + problem);
  }
  return std::make_unique<GridEncoder<SigLIPNetwork>>(WeightsFile{config.vision_weights}, shape,
                                                      grid, device);
}
D2C_COMPILED_ONCE(std::unique_ptr<VisionEncoder> make_siglip<>(const SigLIPShape&, std::int64_t,
                                                               const AttachConfig&, at::Device))

/// The encoder that a tag with SigLIPFacts names. Errors as above.
template <SigLIPShape Shape, int Grid>
std::unique_ptr<VisionEncoder> make_encoder(const SigLIPFacts<Shape, Grid>&,
                                            const AttachConfig& config, at::Device device) {
  return make_siglip(Shape, Grid, config, device);
}

/// Adds a problem if the weights are missing; reads nothing.
template <SigLIPShape Shape, int Grid>
void check_encoder(const SigLIPFacts<Shape, Grid>&, const AttachConfig& config,
                   Problems& problems) {
  if (const std::string problem = siglip_file_problem(config); !problem.empty()) {
    problems.add("[attach] vision_weights", problem);
  }
}

} // namespace d2c
