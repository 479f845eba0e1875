#pragma once
/// The blocks of a tower of CLIP or SigLIP with their weights, for inference.

#include <string>
#include <utility>
#include <vector>

#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/vision_transformer_blocks.hpp>
#include <d2c/encoders/vision_transformer_layers.hpp>
#include <d2c/encoders/vision_transformer_weights.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Reads the blocks of one tower from a file and runs them; all tensors are float32 on one device,
/// tokens [n, T, D].
class CLIPTower {
public:
  using Layers = VisionTransformerLayers;

  /// `layers`: heads, activation, eps and direction of the attention. The file must hold the
  /// blocks' tensors, in any floating type.
  CLIPTower(const WeightsFile& file, const CLIPBlockNames& names, int depth, const Layers& layers,
            at::Device device)
      : layers_{layers}, blocks_{layers} {
    for (int i = 0; i < depth; ++i) {
      std::vector<Tensor> weights;
      std::vector<Tensor> biases;
      for (const CLIPAffine& rows : names.qkv(i)) {
        weights.push_back(read(file, rows.weight, device));
        biases.push_back(read(file, rows.bias, device));
      }
      blocks_.add({read(file, names.norm(i, 1), device),
                   {Layers::stacked(weights), Layers::stacked(biases)},
                   read(file, names.attention_output(i), device),
                   {},
                   read(file, names.norm(i, 2), device),
                   read(file, names.feed_forward(i, 1), device),
                   read(file, names.feed_forward(i, 2), device),
                   {}});
    }
  }

  static Tensor read(const WeightsFile& file, const std::string& name, at::Device device) {
    return VisionTransformerWeights{file, device}.tensor(name);
  }

  static Layers::Affine read(const WeightsFile& file, const CLIPAffine& names, at::Device device) {
    return {read(file, names.weight, device), read(file, names.bias, device)};
  }

  /// The tokens behind the last block; they may take the memory of x.
  [[nodiscard]] Tensor run(Tensor x) const { return blocks_.run(std::move(x)); }

  [[nodiscard]] const Layers& layers() const { return layers_; }

private:
  Layers layers_;
  VisionTransformerBlocks blocks_;
};

} // namespace d2c
