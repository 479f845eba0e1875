#pragma once
/// The concept all codecs share: images to the space the denoiser works in, and back.

#include <cstdint>
#include <span>

#include <d2c/data/image_set.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Maps 8-bit images to model space and back. Deterministic and without gradients; safe to call
/// from several threads.
class Codec {
public:
  virtual ~Codec() = default;

  /// Images `indices` of `images` as float32 [indices.size(), C, H, W] in model space, on the CPU.
  /// Failure if an index lies outside the set.
  [[nodiscard]] virtual Tensor encode(const ImageSet& images,
                                      std::span<const std::int64_t> indices) const = 0;

  /// Model space [n, C, H, W] float32 back to uint8 images [n, c, h, w], on the CPU.
  [[nodiscard]] virtual Tensor decode(const Tensor& latents) const = 0;

  /// Whether the mirror image has the mirrored latents, so that training may mirror either.
  [[nodiscard]] virtual bool mirrors() const { return false; }

  /// Channels, height and width of model space for such images.
  [[nodiscard]] virtual int channels(const ImageSet& images) const = 0;
  [[nodiscard]] virtual int height(const ImageSet& images) const = 0;
  [[nodiscard]] virtual int width(const ImageSet& images) const = 0;

protected:
  Codec() = default;
  Codec(const Codec&) = default;
  Codec& operator=(const Codec&) = default;
};

} // namespace d2c
