#pragma once
/// DINOv3 as a vision encoder: patch tokens after the last layer norm, and the class token.

#include <cstdint>
#include <memory>
#include <string>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/dinov3.hpp>
#include <d2c/encoders/dinov3_network.hpp>
#include <d2c/encoders/dinov3_tensors.hpp>
#include <d2c/encoders/grid_encoder.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// What is wrong with the configured file, "expected ..., found ...", or nothing; reads nothing. No
/// Python package carries these weights.
inline std::string dinov3_file_problem(const DINOv3Shape& shape, const AttachConfig& config) {
  return configured_file_problem(config.vision_weights,
                                 "a file with the DINOv3 weights (" + dinov3_file(shape) +
                                     ", or those of transformers or timm as safetensors)");
}

/// The encoder of a shape and grid, from the configured file. Throws InputError if the file is
/// missing or holds another network.
template <class = Once>
std::unique_ptr<VisionEncoder> make_dinov3(const DINOv3Shape& shape, std::int64_t grid,
                                           const AttachConfig& config, at::Device device) {
  const std::string problem = dinov3_file_problem(shape, config);
  if (!problem.empty()) {
    throw InputError("attach.vision_weights: " + problem);
  }
  return std::make_unique<GridEncoder<DINOv3Network>>(WeightsFile{config.vision_weights}, shape,
                                                      grid, device);
}
D2C_COMPILED_ONCE(std::unique_ptr<VisionEncoder> make_dinov3<>(const DINOv3Shape&, std::int64_t,
                                                               const AttachConfig&, at::Device))

/// The encoder that a tag with DINOv3Facts names. Errors as above.
template <DINOv3Shape Shape, int Grid>
std::unique_ptr<VisionEncoder> make_encoder(const DINOv3Facts<Shape, Grid>&,
                                            const AttachConfig& config, at::Device device) {
  return make_dinov3(Shape, Grid, config, device);
}

/// Adds a problem if the weights are missing; reads nothing.
template <DINOv3Shape Shape, int Grid>
void check_encoder(const DINOv3Facts<Shape, Grid>&, const AttachConfig& config,
                   Problems& problems) {
  const std::string problem = dinov3_file_problem(Shape, config);
  if (!problem.empty()) {
    problems.add("[attach] vision_weights", problem);
  }
}

} // namespace d2c
