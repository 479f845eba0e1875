#pragma once
/// The vision towers of SigLIP for inference, from the published files.

#include <cstdint>
#include <string>
#include <vector>

#include <d2c/encoders/check_patch_input.hpp>
#include <d2c/encoders/clip_tower.hpp>
#include <d2c/encoders/colour_normalisation.hpp>
#include <d2c/encoders/learned_positions.hpp>
#include <d2c/encoders/siglip_tensors.hpp>
#include <d2c/encoders/vision_transformer_layers.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Pixels from -1 to 1.
inline constexpr ColourNormalisation siglip_colours{{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};

/// A vision tower of SigLIP (Zhai et al. 2023) in float32: pre-norm blocks, tanh GELU, eps 1e-6,
/// and the head that pools the patches. Follows transformers' SiglipVisionModel; timm takes the
/// exact GELU, with which these networks were not trained.
class SigLIPNetwork {
public:
  using Shape = SigLIPShape;

  /// Float32 on the network's device.
  struct Output {
    Tensor class_token; ///< [n, D] of the pooling head
    Tensor patches;     ///< [n, rows * columns, D] after the last layer norm
  };

  /// Reads the tower from a file of the tower alone or of the whole model, in any floating type.
  /// Throws the InputError of require_fits.
  SigLIPNetwork(const WeightsFile& file, const SigLIPShape& shape, at::Device device = at::kCPU)
      : SigLIPNetwork{file, shape, require_fits(file, shape), device} {}

  /// Throws one InputError that lists each tensor that is missing, has another shape, or has no
  /// place in a tower of this shape; reads no values. Returns where they lie.
  static SigLIPNames require_fits(const WeightsFile& file, const SigLIPShape& shape) {
    SigLIPNames names = siglip_names_of(file.names());
    TensorDifferences differences{file};
    differences.expect(siglip_tensors(shape, names));
    differences.refuse_others(
        [&](const std::string& name) { return name.starts_with(names.prefix); });
    differences.raise("the weights of SigLIP's vision tower of width " +
                      std::to_string(shape.width) + " with " + std::to_string(shape.depth) +
                      " blocks on patches of " + std::to_string(shape.patch));
    return names;
  }

  /// What `[attach] vision_weights` should name.
  static std::string expected_file(const Shape& /*shape*/) {
    return "a file with the SigLIP weights (transformers' model.safetensors, or timm's)";
  }

  /// The tokens of an input [n, 3, H, W] float32 from prepare() or normalised otherwise, H and W
  /// multiples of the patch. Throws InputError for another input.
  [[nodiscard]] Output forward(const Tensor& input,
                               PositionRule rule = PositionRule::antialiased) const {
    check_patch_input(input, shape_.patch, "SigLIP");
    const c10::NoGradGuard no_grad;
    const Tensor x = Layers::embed(input.to(positions_.device()), patches_) +
                     positions_on_grid(positions_, shape_.positions, input.size(2) / shape_.patch,
                                       input.size(3) / shape_.patch, rule);
    const Tensor patches = tower_.layers().normalise(tower_.run(x), last_norm_);
    return {pooled(patches), patches};
  }

  /// An input [n, 3, patch * grid, patch * grid] from images [n, C, H, W] uint8, C = 1 (repeated)
  /// or 3, in the order that REPA has for CLIP: x / 255, then bicubic (a = -3/4, no antialiasing),
  /// then SigLIP's mean and deviation. Throws InputError for other images.
  [[nodiscard]] Tensor prepare(const Tensor& images, std::int64_t grid) const {
    const c10::NoGradGuard no_grad;
    const std::int64_t side = shape_.patch * grid;
    return siglip_colours.apply(at::upsample_bicubic2d(
        unit_pixels(images, positions_.device(), "SigLIP"), {side, side}, false));
  }

  [[nodiscard]] const SigLIPShape& shape() const { return shape_; }

private:
  using Layers = VisionTransformerLayers;

  SigLIPNetwork(const WeightsFile& file, const SigLIPShape& shape, const SigLIPNames& names,
                at::Device device)
      : shape_{shape},
        tower_{file, names, shape.depth, Layers{shape.heads, 1e-6, Layers::Activation::gelu_tanh},
               device},
        patches_{CLIPTower::read(file, names.patches(), device)},
        positions_{CLIPTower::read(file, names.positions(), device).view({1, -1, shape.width})},
        last_norm_{CLIPTower::read(file, names.last_norm(), device)},
        head_norm_{CLIPTower::read(file, names.head_norm(), device)} {
    const Tensor probe = CLIPTower::read(file, names.probe(), device).view({1, shape.width});
    const c10::NoGradGuard no_grad;
    std::vector<Tensor> rows;
    std::vector<Tensor> shifts;
    for (const CLIPAffine& part : names.head_qkv()) {
      rows.push_back(CLIPTower::read(file, part.weight, device));
      shifts.push_back(CLIPTower::read(file, part.bias, device));
    }
    const auto weights = Layers::stacked(rows).chunk(3);
    const auto biases = Layers::stacked(shifts).chunk(3);
    query_ = at::linear(probe, weights[0], biases[0]);
    key_ = {weights[1], biases[1]};
    value_ = {weights[2], biases[2]};
    head_.output = CLIPTower::read(file, names.head_output(), device);
    head_.first = CLIPTower::read(file, names.head_feed_forward(1), device);
    head_.second = CLIPTower::read(file, names.head_feed_forward(2), device);
  }

  /// What one learned query sees in the patches; the feed-forward adds to it.
  [[nodiscard]] Tensor pooled(const Tensor& patches) const {
    const std::int64_t n = patches.size(0);
    const auto by_head = [&](const Tensor& x) {
      return x.view({x.size(0), -1, shape_.heads, shape_.width / shape_.heads}).transpose(1, 2);
    };
    const Tensor mixed =
        at::scaled_dot_product_attention(by_head(query_).expand({n, -1, -1, -1}),
                                         by_head(at::linear(patches, key_.weight, key_.bias)),
                                         by_head(at::linear(patches, value_.weight, value_.bias)));
    const Tensor x = at::linear(mixed.transpose(1, 2).reshape({n, shape_.width}),
                                head_.output.weight, head_.output.bias);
    return x + tower_.layers().feed_forward(head_, tower_.layers().normalise(x, head_norm_));
  }

  SigLIPShape shape_;
  CLIPTower tower_;
  Layers::Affine patches_;
  Tensor positions_; // [1, positions^2, D]
  Layers::Affine last_norm_;
  Layers::Affine head_norm_;
  Tensor query_; // [1, D], of the probe
  Layers::Affine key_;
  Layers::Affine value_;
  Layers::Block head_; // output and feed-forward alone
};

} // namespace d2c
