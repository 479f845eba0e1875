#pragma once
/// The network behind WithClassToken<Encoder>: that of Encoder.

#include <memory>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/encoders/with_class_token.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The encoder that Encoder names; the attaching stage asks it for `features`.
template <class Encoder>

  requires requires(const AttachConfig& config, at::Device device) {
    make_encoder(Encoder{}, config, device);
  }

std::unique_ptr<VisionEncoder> make_encoder(WithClassToken<Encoder>, const AttachConfig& config,
                                            at::Device device) {
  return make_encoder(Encoder{}, config, device);
}

/// The problems of Encoder.
template <class Encoder>

  requires requires(const AttachConfig& config, Problems& problems) {
    check_encoder(Encoder{}, config, problems);
  }

void check_encoder(WithClassToken<Encoder>, const AttachConfig& config, Problems& problems) {
  check_encoder(Encoder{}, config, problems);
}

} // namespace d2c
