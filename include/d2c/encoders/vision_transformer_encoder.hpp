#pragma once
/// A plain vision transformer as a vision encoder, from the file in the configuration.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <d2c/attach/attach_config.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/encoders/vision_transformer_network.hpp>
#include <d2c/encoders/vision_transformer_tensors.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Images to grid x grid patch tokens, with REPA's preprocessing and positions (Yu et al. 2024) but
/// in float32 where REPA computes under autocast.
class VisionTransformerEncoder final : public VisionEncoder {
public:
  /// Which patch tokens are taken; the class token is always taken after the last layer norm.
  enum class PatchTokens { of_last_block, of_last_norm };

  VisionTransformerEncoder(std::vector<std::filesystem::path> files,
                           VisionTransformerNetwork network, std::int64_t grid,
                           PatchTokens patch_tokens)
      : files_{std::move(files)},
        network_{std::move(network)},
        grid_{grid},
        patch_tokens_{patch_tokens} {}

  [[nodiscard]] Tensor patch_tokens(const Tensor& images) const override {
    return patches(network_.tokens(network_.prepare(images, grid_)));
  }

  [[nodiscard]] VisualFeatures features(const Tensor& images) const override {
    const Tensor tokens = network_.tokens(network_.prepare(images, grid_));
    return {patches(tokens), network_.normalised(tokens.select(1, 0)).contiguous().to(at::kCPU)};
  }

  [[nodiscard]] std::vector<std::filesystem::path> files() const override { return files_; }

private:
  [[nodiscard]] Tensor patches(const Tensor& tokens) const {
    const Tensor x = tokens.slice(1, 1);
    return (patch_tokens_ == PatchTokens::of_last_norm ? network_.normalised(x) : x)
        .contiguous()
        .to(at::kCPU);
  }

  std::vector<std::filesystem::path> files_;
  VisionTransformerNetwork network_;
  std::int64_t grid_;
  PatchTokens patch_tokens_;
};

/// What a published vision transformer is besides its shape.
struct PublishedVisionTransformer {
  std::string title;
  std::string file; ///< what to expect in the configuration, for errors
  VisionTransformerNames (*names_of)(const std::vector<std::string>&);
  VisionTransformerEncoder::PatchTokens patch_tokens;
};

/// What is wrong with the configured file, "expected ..., found ...", or nothing; reads nothing. No
/// Python package carries these weights.
template <class = Once>
std::string vision_transformer_problem(const PublishedVisionTransformer& network,
                                       const AttachConfig& config) {
  const std::string& file = config.vision_weights;
  if (std::filesystem::is_regular_file(file)) {
    return {};
  }
  return "expected a file with the " + network.title + " weights (" + network.file + "), found " +
         (file.empty() ? "no path" : "no file \"" + file + "\"");
}
D2C_COMPILED_ONCE(std::string vision_transformer_problem<>(const PublishedVisionTransformer&,
                                                           const AttachConfig&))

/// The encoder of a shape and grid, from the configured file. Throws InputError if the file is
/// missing or holds another network.
template <class = Once>
std::unique_ptr<VisionEncoder>
make_vision_transformer(const PublishedVisionTransformer& network,
                        const VisionTransformerShape& shape, std::int64_t grid,
                        const AttachConfig& config, at::Device device) {
  const std::string problem = vision_transformer_problem(network, config);
  if (!problem.empty()) {
    throw InputError("attach.vision_weights: " + problem);
  }
  const WeightsFile file{config.vision_weights};
  return std::make_unique<VisionTransformerEncoder>(
      file.files(),
      VisionTransformerNetwork{file, shape, network.names_of(file.names()), network.title, device},
      grid, network.patch_tokens);
}
D2C_COMPILED_ONCE(std::unique_ptr<VisionEncoder> make_vision_transformer<>(
    const PublishedVisionTransformer&, const VisionTransformerShape&, std::int64_t,
    const AttachConfig&, at::Device))

} // namespace d2c
