#pragma once
/// Inception-v3 as a feature network for evaluation.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/inception_v3.hpp>
#include <d2c/encoders/inception_v3_network.hpp>
#include <d2c/encoders/inception_v3_resize.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/feature_extractor.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Moments and neighbours of the 2048 pooled features, with the spatial features and class scores
/// beside them; images are resized to 299 pixels whatever [evaluate] resolution is.
class InceptionV3Features final : public FeatureExtractor {
public:
  InceptionV3Features(const std::filesystem::path& weights, InceptionResize resize,
                      at::Device device)
      : file_{weights}, network_{WeightsFile{weights}, device}, resize_{resize} {}

  [[nodiscard]] ImageFeatures extract(const Tensor& images) const override {
    const auto found = network_.forward(network_.prepare(images, resize_));
    const Tensor pool = found.pool.to(at::kCPU);
    return {pool, pool, found.spatial.to(at::kCPU), found.logits.to(at::kCPU)};
  }

  [[nodiscard]] std::optional<PublishedMoments> published_moments() const override {
    return PublishedMoments{resize_, InceptionV3Network::width, InceptionV3Network::spatial_width};
  }

  [[nodiscard]] std::filesystem::path file() const override { return file_; }

private:
  std::filesystem::path file_;
  InceptionV3Network network_;
  InceptionResize resize_;
};

/// What [evaluate] inception_weights should name; no Python package carries these weights.
inline constexpr const char* inception_v3_file =
    "a file with the Inception weights of FID (pt_inception-2015-12-05-6726825d.pth)";

/// The network, from [evaluate] inception_weights. Throws InputError if the file is missing or
/// holds another network.
template <class = Once>
std::unique_ptr<FeatureExtractor>
make_inception_v3(InceptionResize resize, const EvaluateConfig& config, at::Device device) {
  require_configured_file("evaluate.inception_weights", config.inception_weights,
                          inception_v3_file);
  return std::make_unique<InceptionV3Features>(config.inception_weights, resize, device);
}
D2C_COMPILED_ONCE(std::unique_ptr<FeatureExtractor> make_inception_v3<>(InceptionResize,
                                                                        const EvaluateConfig&,
                                                                        at::Device))

/// The network that a tag names. Errors as above.
template <class Resize>
std::unique_ptr<FeatureExtractor>
make_feature_extractor(InceptionV3<Resize>, const EvaluateConfig& config, at::Device device) {
  return make_inception_v3(Resize::rule, config, device);
}

/// Adds a problem if the weights are missing or are those of another network; reads no value.
template <class = Once>
void check_inception_v3(const EvaluateConfig& config, Problems& problems) {
  constexpr const char* place = "[evaluate] inception_weights";
  if (check_configured_file(problems, place, config.inception_weights, inception_v3_file)) {
    problems.check(
        place, [&] { InceptionV3Network::require_fits(WeightsFile{config.inception_weights}); });
  }
}
D2C_COMPILED_ONCE(void check_inception_v3<>(const EvaluateConfig&, Problems&))

/// The same for a tag.
template <class Resize>
void check_feature_extractor(InceptionV3<Resize>, const EvaluateConfig& config,
                             Problems& problems) {
  check_inception_v3(config, problems);
}

} // namespace d2c
