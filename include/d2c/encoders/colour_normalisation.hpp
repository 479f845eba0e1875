#pragma once
/// The pixels of images as vision encoders take them: scaled to [0, 1], normalised by colour.

#include <array>
#include <string>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The mean and deviation of each colour over a data set, of pixels in [0, 1].
struct ColourNormalisation {
  std::array<double, 3> mean;
  std::array<double, 3> deviation;

  /// (x - mean) / deviation, float32 [n, 3, H, W], of pixels [n, 1 or 3, H, W] in [0, 1]; a single
  /// channel stands for all three.
  [[nodiscard]] Tensor apply(const Tensor& pixels) const {
    const auto colours = [&](const std::array<double, 3>& values) {
      return at::tensor({values[0], values[1], values[2]}, pixels.options()).view({1, 3, 1, 1});
    };
    return (pixels - colours(mean)) / colours(deviation);
  }
};

/// ImageNet's.
inline constexpr ColourNormalisation imagenet_colours{{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};

/// Images [n, C, H, W] uint8, C = 1 or 3, divided by 255: float32 on a device. Throws InputError
/// for other images, in the name of the network.
template <class = Once>
Tensor unit_pixels(const Tensor& images, at::Device device, const std::string& network) {
  if (images.dim() != 4 || (images.size(1) != 1 && images.size(1) != 3) ||
      images.scalar_type() != at::kByte) {
    throw InputError(network + ": expected images [n, 1 or 3, H, W] of uint8, found " +
                     c10::str(images.sizes()) + " of " + c10::toString(images.scalar_type()));
  }
  return images.to(device, at::kFloat).div_(255.0);
}
D2C_COMPILED_ONCE(Tensor unit_pixels<>(const Tensor&, at::Device, const std::string&))

} // namespace d2c
