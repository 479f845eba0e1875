#pragma once
/// DINOv2's class token as a feature network for evaluation.

#include <filesystem>
#include <memory>
#include <string>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/data/resample_tensor.hpp>
#include <d2c/data/resample_weights.hpp>
#include <d2c/encoders/colour_normalisation.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/dinov2_class_token.hpp>
#include <d2c/encoders/dinov2_network.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>
#include <d2c/encoders/learned_positions.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/feature_extractor.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Moments and neighbours of the class token, as dgm-eval prepares and takes it (Stein et al.
/// 2023): Pillow's bicubic resize to 224 x 224 on bytes, x / 255, ImageNet's colours, the authors'
/// own interpolation of the positions, x_norm_clstoken.
class DINOv2Features final : public FeatureExtractor {
public:
  DINOv2Features(const std::filesystem::path& weights, const DINOv2Shape& shape, at::Device device)
      : file_{weights}, network_{WeightsFile{weights}, shape, device}, device_{device} {}

  [[nodiscard]] ImageFeatures extract(const Tensor& images) const override {
    const c10::NoGradGuard no_grad;
    const Tensor token = network_.forward(prepare(images), positions()).class_token.to(at::kCPU);
    return {token, token};
  }

  /// The network's input [n, 3, 224, 224]. Throws InputError for anything but images [n, 1 or 3, H,
  /// W] of uint8.
  [[nodiscard]] Tensor prepare(const Tensor& images) const {
    constexpr int side = 224;
    const Tensor resized = resample_images(images, side, side, ResampleFilter::bicubic);
    return imagenet_colours.apply(unit_pixels(resized, device_, "DINOv2")).contiguous();
  }

  [[nodiscard]] std::filesystem::path file() const override { return file_; }

private:
  /// What the authors' networks do with an image smaller than those they were trained on.
  [[nodiscard]] PositionRule positions() const {
    return network_.shape().registers > 0 ? PositionRule::antialiased : PositionRule::offset;
  }

  std::filesystem::path file_;
  DINOv2Network network_;
  at::Device device_;
};

/// What [evaluate] dinov2_weights should name; no Python package carries these weights.
inline std::string dinov2_features_file(const DINOv2Shape& shape) {
  return "a file with the DINOv2 weights (" + dinov2_file(shape) + ")";
}

/// The network of a shape, from [evaluate] dinov2_weights. Throws InputError if the file is missing
/// or holds another network.
template <class = Once>
std::unique_ptr<FeatureExtractor>
make_dinov2_features(const DINOv2Shape& shape, const EvaluateConfig& config, at::Device device) {
  require_configured_file("evaluate.dinov2_weights", config.dinov2_weights,
                          dinov2_features_file(shape));
  return std::make_unique<DINOv2Features>(config.dinov2_weights, shape, device);
}
D2C_COMPILED_ONCE(std::unique_ptr<FeatureExtractor> make_dinov2_features<>(const DINOv2Shape&,
                                                                           const EvaluateConfig&,
                                                                           at::Device))

/// The network that a tag names. Errors as above.
template <class Encoder>
std::unique_ptr<FeatureExtractor>
make_feature_extractor(DINOv2ClassToken<Encoder>, const EvaluateConfig& config, at::Device device) {
  return make_dinov2_features(Encoder::shape, config, device);
}

/// Adds a problem if the weights are missing or are those of another network; reads no value.
template <class Encoder>
void check_feature_extractor(DINOv2ClassToken<Encoder>, const EvaluateConfig& config,
                             Problems& problems) {
  constexpr const char* place = "[evaluate] dinov2_weights";
  if (check_configured_file(problems, place, config.dinov2_weights,
                            dinov2_features_file(Encoder::shape))) {
    problems.check(place, [&] {
      DINOv2Network::require_fits(WeightsFile{config.dinov2_weights}, Encoder::shape);
    });
  }
}

} // namespace d2c
