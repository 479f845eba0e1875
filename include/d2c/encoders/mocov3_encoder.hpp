#pragma once
/// MoCo v3 as a vision encoder: patch tokens as REPA takes them, and the class token.

#include <cstdint>
#include <memory>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/make_grid_encoder.hpp>
#include <d2c/encoders/mocov3.hpp>
#include <d2c/encoders/mocov3_network.hpp>
#include <d2c/encoders/position_rule.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/encoders/vision_transformer_tensors.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

D2C_COMPILED_ONCE(std::unique_ptr<VisionEncoder> make_grid_encoder<MoCoV3Network>(
    const VisionTransformerShape&, std::int64_t, PositionRule, const AttachConfig&, at::Device))
D2C_COMPILED_ONCE(void check_grid_encoder<MoCoV3Network>(const VisionTransformerShape&,
                                                         const AttachConfig&, Problems&))

} // namespace d2c
