#pragma once
/// EfficientNet-Lite0 for inference, with the published ImageNet weights: patch features for
/// alignment and pooled features for evaluation. BatchNorm is folded into the convolutions.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// One inverted residual block of the published table.
struct InvertedResidual {
  int expand;
  int kernel;
  int stride;
  int channels;
};

/// EfficientNet-Lite0 (Tan and Le 2019; Google's lite variant): no squeeze-and-excitation, ReLU6,
/// BatchNorm eps 1e-3, "same" padding as TensorFlow computes it from the input's actual size.
class EfficientNetLite0Network {
public:
  static constexpr std::array<InvertedResidual, 16> blocks = {{{1, 3, 1, 16},
                                                               {6, 3, 2, 24},
                                                               {6, 3, 1, 24},
                                                               {6, 5, 2, 40},
                                                               {6, 5, 1, 40},
                                                               {6, 3, 2, 80},
                                                               {6, 3, 1, 80},
                                                               {6, 3, 1, 80},
                                                               {6, 5, 1, 112},
                                                               {6, 5, 1, 112},
                                                               {6, 5, 1, 112},
                                                               {6, 5, 2, 192},
                                                               {6, 5, 1, 192},
                                                               {6, 5, 1, 192},
                                                               {6, 5, 1, 192},
                                                               {6, 3, 1, 320}}};
  static constexpr std::size_t stride16_block = 10; ///< the last block at stride 16

  /// Features of one batch, all float32 on the network's device.
  struct Features {
    Tensor block15; ///< [n, 320], mean over places of the last block's output
    Tensor head;    ///< [n, 1280], mean over places after the head convolution
  };

  /// Reads the network from the published file, in any floating type. Throws the InputError of
  /// require_fits.
  explicit EfficientNetLite0Network(const WeightsFile& file, at::Device device = at::kCPU) {
    const c10::NoGradGuard no_grad;
    require_fits(file);
    const Source source{file, device};
    stem_ = source.convolution("_conv_stem", "_bn0", 2, true);
    std::int64_t in = 32;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const InvertedResidual& shape = blocks[i];
      const std::string prefix = "_blocks." + std::to_string(i) + ".";
      Block block;
      if (shape.expand != 1) {
        block.expand = source.convolution(prefix + "_expand_conv", prefix + "_bn0", 1, true);
      }
      block.depthwise =
          source.convolution(prefix + "_depthwise_conv", prefix + "_bn1", shape.stride, true);
      block.depthwise.groups = in * shape.expand;
      block.project = source.convolution(prefix + "_project_conv", prefix + "_bn2", 1, false);
      block.skip = shape.stride == 1 && in == shape.channels;
      blocks_.push_back(std::move(block));
      in = shape.channels;
    }
    head_ = source.convolution("_conv_head", "_bn1", 1, true);
    classifier_weight_ = source.tensor("_fc.weight");
    classifier_bias_ = source.tensor("_fc.bias");
  }

  /// Throws one InputError that lists each tensor that is missing or has another shape; reads no
  /// values. Others do not matter.
  static void require_fits(const WeightsFile& file) {
    TensorDifferences differences{file};
    differences.expect(tensors());
    differences.raise("the weights of EfficientNet-Lite0");
  }

  /// Every tensor that is read.
  static std::vector<NamedShape> tensors() {
    std::vector<NamedShape> list;
    const auto convolution = [&](const std::string& name, const std::string& norm,
                                 const std::vector<std::int64_t>& shape) {
      list.push_back({name + ".weight", shape});
      for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
        list.push_back({norm + part, {shape.front()}});
      }
    };
    convolution("_conv_stem", "_bn0", {32, 3, 3, 3});
    std::int64_t in = 32;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const InvertedResidual& block = blocks[i];
      const std::string prefix = "_blocks." + std::to_string(i) + ".";
      const std::int64_t middle = in * block.expand;
      if (block.expand != 1) {
        convolution(prefix + "_expand_conv", prefix + "_bn0", {middle, in, 1, 1});
      }
      convolution(prefix + "_depthwise_conv", prefix + "_bn1",
                  {middle, 1, block.kernel, block.kernel});
      convolution(prefix + "_project_conv", prefix + "_bn2", {block.channels, middle, 1, 1});
      in = block.channels;
    }
    convolution("_conv_head", "_bn1", {1280, in, 1, 1});
    list.push_back({"_fc.weight", {1000, 1280}});
    list.push_back({"_fc.bias", {1000}});
    return list;
  }

  /// The network's input [n, 3, resolution, resolution] float32 from images [n, C, H, W] uint8, C =
  /// 1 (repeated) or 3: resized as Pillow's bicubic does it (a = -1/2, widened when shrinking, rows
  /// first, 8 bits after each pass; at most one level off it), then (x - 127) / 128.
  [[nodiscard]] Tensor prepare(const Tensor& images, std::int64_t resolution) const {
    if (images.dim() != 4 || (images.size(1) != 1 && images.size(1) != 3) ||
        images.scalar_type() != at::kByte) {
      throw InputError("EfficientNet-Lite0: expected images [n, 1 or 3, H, W] of uint8, found " +
                       c10::str(images.sizes()) + " of " + c10::toString(images.scalar_type()));
    }
    const c10::NoGradGuard no_grad;
    Tensor x = images.to(stem_.weight.device(), at::kFloat);
    if (x.size(3) != resolution) {
      x = to_levels(at::_upsample_bicubic2d_aa(x, {x.size(2), resolution}, false));
    }
    if (x.size(2) != resolution) {
      x = to_levels(at::_upsample_bicubic2d_aa(x, {resolution, resolution}, false));
    }
    x = x.sub_(127.0).div_(128.0);
    return x.expand({x.size(0), 3, resolution, resolution})
        .contiguous(at::MemoryFormat::ChannelsLast);
  }

  /// Output of block 10, [n, 112, h/16, w/16] (rounded up), of an input from prepare().
  [[nodiscard]] Tensor stride16(const Tensor& input) const {
    const c10::NoGradGuard no_grad;
    return body(input, stride16_block + 1);
  }

  /// Pooled features of an input from prepare().
  [[nodiscard]] Features features(const Tensor& input) const {
    const c10::NoGradGuard no_grad;
    const Tensor last = body(input, blocks_.size());
    return {last.mean({2, 3}), apply(head_, last).mean({2, 3})};
  }

  /// Class scores [n, 1000] before softmax, of the pooled head features.
  [[nodiscard]] Tensor logits(const Tensor& head) const {
    const c10::NoGradGuard no_grad;
    return at::addmm(classifier_bias_, head, classifier_weight_.t());
  }

private:
  struct Convolution {
    Tensor weight;
    Tensor bias;
    std::int64_t stride = 1;
    std::int64_t groups = 1;
    bool clamp = false;
  };

  struct Block {
    Convolution expand; // without weight in a block that does not expand
    Convolution depthwise;
    Convolution project;
    bool skip = false;
  };

  struct Source {
    const WeightsFile& file;
    at::Device device;

    [[nodiscard]] Tensor tensor(const std::string& name) const {
      return file.read(name).to(device, at::kFloat);
    }

    [[nodiscard]] Convolution convolution(const std::string& name, const std::string& norm,
                                          std::int64_t stride, bool clamp) const {
      constexpr double eps = 1e-3;
      const Tensor scale = tensor(norm + ".weight") / (tensor(norm + ".running_var") + eps).sqrt();
      Convolution folded;
      folded.weight = (tensor(name + ".weight") * scale.view({-1, 1, 1, 1}))
                          .contiguous(at::MemoryFormat::ChannelsLast);
      folded.bias = tensor(norm + ".bias") - tensor(norm + ".running_mean") * scale;
      folded.stride = stride;
      folded.clamp = clamp;
      return folded;
    }
  };

  static Tensor to_levels(Tensor x) { return x.add_(0.5).floor_().clamp_(0.0, 255.0); }

  [[nodiscard]] static Tensor apply(const Convolution& layer, const Tensor& x) {
    const std::int64_t kernel = layer.weight.size(2);
    const auto missing = [&](std::int64_t size) {
      const std::int64_t out = (size + layer.stride - 1) / layer.stride;
      return std::max<std::int64_t>(0, (out - 1) * layer.stride + kernel - size);
    };
    const std::int64_t rows = missing(x.size(2));
    const std::int64_t columns = missing(x.size(3));
    // What cannot be shared evenly goes to the bottom and right.
    const bool even = rows % 2 == 0 && columns % 2 == 0;
    const Tensor padded =
        even ? x
             : at::constant_pad_nd(
                   x, {columns / 2, columns - columns / 2, rows / 2, rows - rows / 2}, 0.0);
    const std::array<std::int64_t, 2> padding = {even ? rows / 2 : 0, even ? columns / 2 : 0};
    const Tensor y =
        at::conv2d(padded, layer.weight, layer.bias, layer.stride, padding, 1, layer.groups);
    return layer.clamp ? y.clamp_(0.0, 6.0) : y;
  }

  [[nodiscard]] Tensor body(const Tensor& input, std::size_t count) const {
    Tensor x = apply(stem_, input);
    for (std::size_t i = 0; i < count; ++i) {
      const Block& block = blocks_[i];
      Tensor y = block.expand.weight.defined() ? apply(block.expand, x) : x;
      y = apply(block.project, apply(block.depthwise, y));
      x = block.skip ? y.add_(x) : y;
    }
    return x;
  }

  Convolution stem_;
  std::vector<Block> blocks_;
  Convolution head_;
  Tensor classifier_weight_;
  Tensor classifier_bias_;
};

} // namespace d2c
