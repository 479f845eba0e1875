#pragma once
/// The weights of a vision transformer, read for inference.

#include <string>
#include <vector>

#include <d2c/encoders/vision_transformer_layers.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Reads tensors of a file, in any floating type, as float32 on a device; the file must outlive it.
struct VisionTransformerWeights {
  using Affine = VisionTransformerLayers::Affine;

  const WeightsFile& file;
  at::Device device;

  [[nodiscard]] Tensor tensor(const std::string& name) const {
    return file.read(name).to(device, at::kFloat).contiguous();
  }

  /// Those called `name`.weight and `name`.bias.
  [[nodiscard]] Affine affine(const std::string& name) const {
    return {tensor(name + ".weight"), tensor(name + ".bias")};
  }

  /// The rows of one matrix that a file may keep apart.
  [[nodiscard]] Tensor stacked(const std::vector<std::string>& parts, const char* ending) const {
    std::vector<Tensor> rows;
    for (const std::string& part : parts) {
      rows.push_back(tensor(part + ending));
    }
    return rows.size() == 1 ? rows.front() : at::cat(rows);
  }

  /// The same of weight and bias.
  [[nodiscard]] Affine affine(const std::vector<std::string>& parts) const {
    return {stacked(parts, ".weight"), stacked(parts, ".bias")};
  }
};

} // namespace d2c
