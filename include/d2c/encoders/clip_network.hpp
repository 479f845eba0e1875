#pragma once
/// The vision towers of CLIP for inference, from the published files of the authors and of
/// transformers.

#include <cstdint>
#include <string>

#include <d2c/encoders/check_patch_input.hpp>
#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/clip_tower.hpp>
#include <d2c/encoders/colour_normalisation.hpp>
#include <d2c/encoders/learned_positions.hpp>
#include <d2c/encoders/vision_transformer_layers.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// The colours of CLIP's training images.
inline constexpr ColourNormalisation clip_colours{{0.48145466, 0.4578275, 0.40821073},
                                                  {0.26862954, 0.26130258, 0.27577711}};

/// A vision tower of CLIP (Radford et al. 2021) in float32: patches without bias, a norm before the
/// pre-norm blocks, eps 1e-5.
class CLIPNetwork {
public:
  using Shape = CLIPShape;

  /// As REPA and as transformers take them, float32 on the network's device.
  struct Output {
    Tensor class_token; ///< [n, D], after the last layer norm, not projected
    Tensor patches;     ///< [n, rows * columns, D] of the last block, not normalised
  };

  /// Reads the tower from the authors' TorchScript archive or from a file of transformers, of the
  /// tower alone or of the whole model, in any floating type. Throws the InputError of
  /// require_fits.
  CLIPNetwork(const WeightsFile& file, const CLIPShape& shape, at::Device device = at::kCPU)
      : CLIPNetwork{file, shape, require_fits(file, shape), device} {}

  /// Throws one InputError that lists each tensor that is missing, has another shape, or has no
  /// place in a tower of this shape; reads no values. Returns where they lie.
  static CLIPNames require_fits(const WeightsFile& file, const CLIPShape& shape) {
    CLIPNames names = clip_names_of(file.names());
    TensorDifferences differences{file};
    differences.expect(clip_tensors(shape, names));
    differences.refuse_others(
        [&](const std::string& name) { return name.starts_with(names.prefix); });
    differences.raise("the weights of CLIP's vision tower of width " + std::to_string(shape.width) +
                      " with " + std::to_string(shape.depth) + " blocks on patches of " +
                      std::to_string(shape.patch));
    return names;
  }

  /// What `[attach] vision_weights` should name.
  static std::string expected_file(const Shape& /*shape*/) {
    return "a file with the CLIP weights (the authors' ViT-L-14.pt or its like, or transformers' "
           "model.safetensors)";
  }

  /// The tokens of an input [n, 3, H, W] float32 from prepare() or normalised otherwise, H and W
  /// multiples of the patch. Throws InputError for another input.
  [[nodiscard]] Output forward(const Tensor& input,
                               PositionRule rule = PositionRule::antialiased) const {
    check_patch_input(input, shape_.patch, "CLIP");
    const c10::NoGradGuard no_grad;
    const auto& layers = tower_.layers();
    Tensor x = Layers::embed(input.to(class_token_.device()), patches_);
    x = x + positions_on_grid(positions_, shape_.positions, input.size(2) / shape_.patch,
                              input.size(3) / shape_.patch, rule);
    x = at::cat({class_token_.expand({x.size(0), -1, -1}), x}, 1);
    x = tower_.run(layers.normalise(x, first_norm_));
    return {layers.normalise(x.select(1, 0), last_norm_), x.slice(1, 1)};
  }

  /// REPA's input [n, 3, patch * grid, patch * grid] from images [n, C, H, W] uint8, C = 1
  /// (repeated) or 3: x / 255, then bicubic (a = -3/4, no antialiasing), then CLIP's mean and
  /// deviation. Throws InputError for other images.
  [[nodiscard]] Tensor prepare(const Tensor& images, std::int64_t grid) const {
    const c10::NoGradGuard no_grad;
    const std::int64_t side = shape_.patch * grid;
    return clip_colours.apply(at::upsample_bicubic2d(
        unit_pixels(images, class_token_.device(), "CLIP"), {side, side}, false));
  }

  [[nodiscard]] const CLIPShape& shape() const { return shape_; }

private:
  using Layers = VisionTransformerLayers;

  CLIPNetwork(const WeightsFile& file, const CLIPShape& shape, const CLIPNames& names,
              at::Device device)
      : shape_{shape},
        tower_{file, names, shape.depth,
               Layers{shape.heads, 1e-5,
                      shape.quick_gelu ? Layers::Activation::gelu_quick : Layers::Activation::gelu},
               device},
        patches_{CLIPTower::read(file, names.patches(), device), {}},
        first_norm_{CLIPTower::read(file, names.first_norm(), device)},
        last_norm_{CLIPTower::read(file, names.last_norm(), device)} {
    const Tensor positions = CLIPTower::read(file, names.positions(), device).unsqueeze(0);
    class_token_ = CLIPTower::read(file, names.class_token(), device) + positions.slice(1, 0, 1);
    positions_ = positions.slice(1, 1);
  }

  CLIPShape shape_;
  CLIPTower tower_;
  Layers::Affine patches_;
  Layers::Affine first_norm_;
  Layers::Affine last_norm_;
  Tensor class_token_; // [1, 1, D], with its position
  Tensor positions_;   // [1, positions^2, D]
};

} // namespace d2c
