#pragma once
/// EfficientNet-Lite0 as a feature network for evaluation.

#include <cstdint>
#include <filesystem>
#include <memory>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/efficientnet_lite0_encoder.hpp>
#include <d2c/encoders/efficientnet_lite0_network.hpp>
#include <d2c/encoders/efficientnet_lite0_pool.hpp>
#include <d2c/encoders/weight_files.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/feature_extractor.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Moments of the 1280 pooled features after the head, neighbours among the 320 pooled features of
/// the last block (fewer and less specialised in ImageNet's classes).
class EfficientNetLite0Features final : public FeatureExtractor {
public:
  EfficientNetLite0Features(const std::filesystem::path& weights, std::int64_t resolution,
                            at::Device device)
      : file_{weights}, network_{WeightsFile{weights}, device}, resolution_{resolution} {}

  [[nodiscard]] ImageFeatures extract(const Tensor& images) const override {
    const auto found = network_.features(network_.prepare(images, resolution_));
    return {found.head.to(at::kCPU), found.block15.to(at::kCPU)};
  }

  [[nodiscard]] std::filesystem::path file() const override { return file_; }

private:
  std::filesystem::path file_;
  EfficientNetLite0Network network_;
  std::int64_t resolution_;
};

/// The network that the tag EfficientNetLite0Pool names, at [evaluate] resolution. Throws
/// InputError if its weights are nowhere.
template <class = Once>
std::unique_ptr<FeatureExtractor>
make_feature_extractor(EfficientNetLite0Pool, const EvaluateConfig& config, at::Device device) {
  return std::make_unique<EfficientNetLite0Features>(
      find_weight_file(efficientnet_lite0_weights("evaluate.feature_weights"),
                       config.feature_weights),
      config.resolution, device);
}
D2C_COMPILED_ONCE(std::unique_ptr<FeatureExtractor> make_feature_extractor<>(EfficientNetLite0Pool,
                                                                             const EvaluateConfig&,
                                                                             at::Device))

/// Adds a problem if the weights are missing; reads nothing.
inline void check_feature_extractor(EfficientNetLite0Pool, const EvaluateConfig& config,
                                    Problems& problems) {
  check_weight_file(efficientnet_lite0_weights("evaluate.feature_weights"), config.feature_weights,
                    problems);
}

} // namespace d2c
