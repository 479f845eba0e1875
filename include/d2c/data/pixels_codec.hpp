#pragma once
/// The codec of pixel-space diffusion: a change of range and type, nothing learned.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/data/codec.hpp>
#include <d2c/data/pixels.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Pixel value v of 0..255 becomes v / 127.5 - 1 in float32; back by clamp(trunc(127.5 x + 128), 0,
/// 255), which rounds half up and returns every pixel value unchanged (as the DiT and SiT samplers
/// write their images).
class PixelsCodec : public Codec {
public:
  [[nodiscard]] Tensor encode(const ImageSet& images,
                              std::span<const std::int64_t> indices) const override {
    const Tensor values = at::empty(
        {static_cast<std::int64_t>(indices.size()), images.channels, images.height, images.width},
        at::kFloat);
    float* out = values.data_ptr<float>();
    const std::int64_t size = images.image_bytes();
    for (const std::int64_t index : indices) {
      if (index < 0 || index >= images.size()) {
        throw Failure("encoding " + images.origin + ": expected image indices below " +
                      std::to_string(images.size()) + ", found " + std::to_string(index));
      }
      const std::uint8_t* image = images.image(index);
      for (std::int64_t i = 0; i < size; ++i) {
        *out++ = static_cast<float>(image[i]) / 127.5f - 1.0f;
      }
    }
    return values;
  }

  [[nodiscard]] Tensor decode(const Tensor& latents) const override {
    const at::NoGradGuard no_grad;
    // Clamping before the conversion also keeps infinities out of the cast, whose result for them
    // is undefined; NaN becomes 0.
    return latents.detach()
        .to(at::kCPU, at::kFloat)
        .mul(127.5)
        .add(128.0)
        .nan_to_num(0.0)
        .clamp(0.0, 255.0)
        .to(at::kByte);
  }

  [[nodiscard]] bool mirrors() const override { return true; }

  [[nodiscard]] int channels(const ImageSet& images) const override { return images.channels; }

  [[nodiscard]] int height(const ImageSet& images) const override { return images.height; }

  [[nodiscard]] int width(const ImageSet& images) const override { return images.width; }
};

/// The codec that the tag `Pixels` names.
inline std::unique_ptr<Codec> make_codec(Pixels) {
  return std::make_unique<PixelsCodec>();
}

} // namespace d2c
