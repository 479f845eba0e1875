#pragma once
/// The text towers of CLIP for inference, from the published files of the authors and of
/// transformers.

#include <cstdint>
#include <string>

#include <d2c/core/error.hpp>
#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/clip_tower.hpp>
#include <d2c/encoders/vision_transformer_layers.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A text tower of CLIP (Radford et al. 2021) in float32: learned positions, causal pre-norm
/// blocks, a last layer norm, eps 1e-5. No token sees those behind it, padding included.
class CLIPTextNetwork {
public:
  /// Reads the tower as CLIPNetwork reads the other one; the files of Stable Diffusion's
  /// text_encoder are transformers'. Errors likewise.
  CLIPTextNetwork(const WeightsFile& file, const CLIPTextShape& shape, at::Device device = at::kCPU)
      : CLIPTextNetwork{file, shape, checked(file, shape), device} {}

  /// Throws InputError as the constructor does for the names and shapes; reads no values.
  static void require_fits(const WeightsFile& file, const CLIPTextShape& shape) {
    static_cast<void>(checked(file, shape));
  }

  /// The states [n, L, width] float32 after the last layer norm of token ids [n, L] (int64), L at
  /// most 77. Throws InputError for other ids.
  [[nodiscard]] Tensor last_hidden_state(const Tensor& ids) const {
    if (ids.dim() != 2 || ids.size(1) < 1 || ids.size(1) > CLIPTextShape::context ||
        ids.scalar_type() != at::kLong) {
      throw InputError("CLIP: expected ids [n, L] of int64 with L from 1 to " +
                       std::to_string(CLIPTextShape::context) + ", found " + c10::str(ids.sizes()) +
                       " of " + c10::toString(ids.scalar_type()));
    }
    const c10::NoGradGuard no_grad;
    const Tensor x = at::embedding(words_, ids.to(words_.device()));
    return tower_.layers().normalise(tower_.run(x + positions_.slice(0, 0, ids.size(1))),
                                     last_norm_);
  }

  [[nodiscard]] const CLIPTextShape& shape() const { return shape_; }

private:
  using Layers = VisionTransformerLayers;

  CLIPTextNetwork(const WeightsFile& file, const CLIPTextShape& shape, const CLIPTextNames& names,
                  at::Device device)
      : shape_{shape},
        tower_{file, names, shape.depth,
               Layers{shape.heads, 1e-5,
                      shape.quick_gelu ? Layers::Activation::gelu_quick : Layers::Activation::gelu,
                      true},
               device},
        words_{CLIPTower::read(file, names.words(), device)},
        positions_{CLIPTower::read(file, names.positions(), device)},
        last_norm_{CLIPTower::read(file, names.last_norm(), device)} {}

  static CLIPTextNames checked(const WeightsFile& file, const CLIPTextShape& shape) {
    CLIPTextNames names = clip_text_names_of(file.names());
    TensorDifferences differences{file};
    differences.expect(clip_text_tensors(shape, names));
    differences.refuse_others([&](const std::string& name) { return names.claims(name); });
    differences.raise("the weights of CLIP's text tower of width " + std::to_string(shape.width) +
                      " with " + std::to_string(shape.depth) + " blocks");
    return names;
  }

  CLIPTextShape shape_;
  CLIPTower tower_;
  Tensor words_;     // [vocabulary, D]
  Tensor positions_; // [77, D]
  Layers::Affine last_norm_;
};

} // namespace d2c
