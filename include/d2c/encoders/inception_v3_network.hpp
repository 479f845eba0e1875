#pragma once
/// The Inception-v3 of FID for inference, from the file that the published evaluators read.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/encoders/inception_v3_resize.hpp>
#include <d2c/encoders/inception_v3_tensors.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/ops/frozen_convolution.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Inception-v3 as the graph of 2015-12-05 computes it: averages over 3 x 3 places leave the border
/// out of the count, and the pool of the last block takes the maximum. BatchNorm is folded into the
/// convolutions.
class InceptionV3Network {
public:
  static constexpr std::int64_t side = 299;           ///< of the input
  static constexpr std::int64_t width = 2048;         ///< of the pool
  static constexpr std::int64_t spatial_channels = 7; ///< of sFID
  static constexpr std::int64_t spatial_width = 2023; ///< 17 * 17 places with 7 channels
  static constexpr std::int64_t classes = 1008;

  /// Features of one batch, float32 on the network's device.
  struct Output {
    Tensor pool;    ///< [n, 2048], mean over places after the last block
    Tensor spatial; ///< [n, 2023], mixed_6/conv of the graph: row, column, then channel
    Tensor logits;  ///< [n, 1008] before softmax and without the bias, as the Inception score takes
                    ///< them
  };

  /// Reads the network from a file under the published names, in any floating type. Throws one
  /// InputError that lists each tensor that is missing, has another shape, or has no place.
  explicit InceptionV3Network(const WeightsFile& file, at::Device device = at::kCPU) {
    const c10::NoGradGuard no_grad;
    require_fits(file);
    const auto take = [&](const std::string& name) { return file.read(name).to(at::kDouble); };
    for (const InceptionConvolution& layer : inception_v3_convolutions()) {
      const std::string norm = layer.name + ".bn.";
      const Tensor scale = take(norm + "weight") / (take(norm + "running_var") + 1e-3).sqrt();
      const Tensor weight =
          (take(layer.name + ".conv.weight") * scale.view({-1, 1, 1, 1})).to(device, at::kFloat);
      const Tensor bias =
          (take(norm + "bias") - take(norm + "running_mean") * scale).to(device, at::kFloat);
      FrozenConvolution::Geometry geometry;
      geometry.stride = {layer.stride, layer.stride};
      geometry.rows = geometry.columns = layer.side;
      if (layer.padded) {
        geometry.padding = {layer.rows / 2, layer.columns / 2};
      }
      layers_.emplace(layer.name, FrozenConvolution{weight, bias, geometry});
    }
    classifier_ = take("fc.weight").to(device, at::kFloat);
  }

  /// Compares a file with the network by names and shapes; reads no value. Throws as the
  /// constructor.
  static void require_fits(const WeightsFile& file) {
    TensorDifferences differences{file};
    differences.expect(inception_v3_tensors());
    differences.refuse_others(
        [](const std::string& name) { return !name.ends_with(".bn.num_batches_tracked"); });
    differences.raise("the weights of FID's Inception-v3 (1008 classes)");
  }

  /// The network's input [n, 3, 299, 299] float32 from images [n, C, H, W] uint8, C = 1 (repeated)
  /// or 3. Throws InputError for other images.
  [[nodiscard]] Tensor prepare(const Tensor& images, InceptionResize rule) const {
    if (images.dim() != 4 || (images.size(1) != 1 && images.size(1) != 3) || images.size(2) < 1 ||
        images.size(3) < 1 || images.scalar_type() != at::kByte) {
      throw InputError("Inception-v3: expected images [n, 1 or 3, H, W] of uint8, found " +
                       c10::str(images.sizes()) + " of " + c10::toString(images.scalar_type()));
    }
    const c10::NoGradGuard no_grad;
    const Tensor pixels = images.to(classifier_.device(), at::kFloat);
    const Tensor x = rule == InceptionResize::tensorflow
                         ? (resized_from_corner(pixels) - 128.0) / 128.0
                         : at::upsample_bilinear2d(pixels / 255.0, {side, side}, false) * 2.0 - 1.0;
    return x.expand({x.size(0), 3, side, side}).contiguous(at::MemoryFormat::ChannelsLast);
  }

  /// All features of an input from prepare(). Throws InputError for another shape.
  [[nodiscard]] Output forward(const Tensor& input) const {
    if (input.dim() != 4 || input.size(1) != 3 || input.size(2) != side || input.size(3) != side ||
        input.scalar_type() != at::kFloat) {
      throw InputError("Inception-v3: expected an input [n, 3, 299, 299] of float32, found " +
                       c10::str(input.sizes()) + " of " + c10::toString(input.scalar_type()));
    }
    const c10::NoGradGuard no_grad;
    const std::int64_t n = input.size(0);
    // Activations take 10 MB of each image.
    const std::int64_t at_once =
        classifier_.is_cpu() ? std::max<std::int64_t>(16, at::get_num_threads()) : n;
    std::vector<Tensor> pools;
    std::vector<Tensor> spatials;
    for (std::int64_t first = 0; first < n; first += at_once) {
      auto [pool, spatial] = features(input.slice(0, first, first + at_once));
      pools.push_back(std::move(pool));
      spatials.push_back(std::move(spatial));
    }
    if (n == 0) {
      pools.push_back(classifier_.new_empty({0, width}));
      spatials.push_back(classifier_.new_empty({0, spatial_width}));
    }
    Output output{at::cat(pools), at::cat(spatials), {}};
    output.logits = output.pool.matmul(classifier_.t());
    return output;
  }

private:
  /// Pool and spatial features.
  [[nodiscard]] std::pair<Tensor, Tensor> features(const Tensor& input) const {
    Tensor x = chain("", {"Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3"},
                     input.to(classifier_.device()));
    x = chain("", {"Conv2d_3b_1x1", "Conv2d_4a_3x3"}, at::max_pool2d(x, 3, 2));
    x = at::max_pool2d(x, 3, 2);
    for (const char* block : {"Mixed_5b.", "Mixed_5c.", "Mixed_5d."}) {
      x = block_at_35(block, x);
    }
    x = at::cat({run("Mixed_6a.branch3x3", x),
                 chain("Mixed_6a.", {"branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"}, x),
                 at::max_pool2d(x, 3, 2)},
                1);
    x = block_at_17("Mixed_6b.", x);
    x = block_at_17("Mixed_6c.", x);
    // Only this branch of 6d is mixed_6/conv of the graph; its channels come first in the block.
    x = block_at_17("Mixed_6d.", x);
    Tensor spatial =
        x.slice(1, 0, spatial_channels).permute({0, 2, 3, 1}).reshape({x.size(0), spatial_width});
    x = block_at_17("Mixed_6e.", x);
    x = at::cat({chain("Mixed_7a.", {"branch3x3_1", "branch3x3_2"}, x),
                 chain("Mixed_7a.",
                       {"branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"}, x),
                 at::max_pool2d(x, 3, 2)},
                1);
    x = block_at_8("Mixed_7b.", x, pooled("Mixed_7b.branch_pool", x));
    x = block_at_8("Mixed_7c.", x, run("Mixed_7c.branch_pool", at::max_pool2d(x, 3, 1, 1)));
    return {x.mean({2, 3}), std::move(spatial)};
  }

  /// TensorFlow 1's bilinear resize: along the rows first, each step rounded to float32 as there.
  [[nodiscard]] static Tensor resized_from_corner(const Tensor& x) {
    const auto along = [](const Tensor& pixels, std::int64_t axis) {
      const std::int64_t size = pixels.size(axis);
      const auto step = static_cast<float>(static_cast<double>(size) / static_cast<double>(side));
      const Tensor place = at::arange(side, pixels.options()) * at::tensor(step, pixels.options());
      const Tensor low = place.to(at::kLong);
      const Tensor high = (low + 1).clamp_max(size - 1);
      std::vector<std::int64_t> shape(4, 1);
      shape[static_cast<std::size_t>(axis)] = side;
      const Tensor share = (place - low.to(at::kFloat)).view(shape);
      const Tensor first = pixels.index_select(axis, low);
      return first + (pixels.index_select(axis, high) - first) * share;
    };
    return along(along(x, 3), 2);
  }

  [[nodiscard]] Tensor run(const std::string& name, const Tensor& x) const {
    return layers_.at(name).relu(x);
  }

  /// Mean of neighbours, convolution of one place, ReLU. Both are linear and the mean leaves
  /// constants alone, so the convolution goes first: it has the fewer channels behind it.
  [[nodiscard]] Tensor pooled(const std::string& name, const Tensor& x) const {
    return mean_of_neighbours(layers_.at(name)(x)).relu_();
  }

  [[nodiscard]] Tensor chain(const std::string& block, std::initializer_list<const char*> names,
                             Tensor x) const {
    for (const char* name : names) {
      x = run(block + name, x);
    }
    return x;
  }

  [[nodiscard]] static Tensor mean_of_neighbours(const Tensor& x) {
    return at::avg_pool2d(x, 3, 1, 1, /*ceil_mode=*/false, /*count_include_pad=*/false);
  }

  [[nodiscard]] Tensor block_at_35(const std::string& block, const Tensor& x) const {
    return at::cat({run(block + "branch1x1", x), chain(block, {"branch5x5_1", "branch5x5_2"}, x),
                    chain(block, {"branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"}, x),
                    pooled(block + "branch_pool", x)},
                   1);
  }

  [[nodiscard]] Tensor block_at_17(const std::string& block, const Tensor& x) const {
    return at::cat({run(block + "branch1x1", x),
                    chain(block, {"branch7x7_1", "branch7x7_2", "branch7x7_3"}, x),
                    chain(block,
                          {"branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4",
                           "branch7x7dbl_5"},
                          x),
                    pooled(block + "branch_pool", x)},
                   1);
  }

  [[nodiscard]] Tensor block_at_8(const std::string& block, const Tensor& x,
                                  const Tensor& pool) const {
    const Tensor wide = run(block + "branch3x3_1", x);
    const Tensor twice = chain(block, {"branch3x3dbl_1", "branch3x3dbl_2"}, x);
    return at::cat({run(block + "branch1x1", x), run(block + "branch3x3_2a", wide),
                    run(block + "branch3x3_2b", wide), run(block + "branch3x3dbl_3a", twice),
                    run(block + "branch3x3dbl_3b", twice), pool},
                   1);
  }

  std::map<std::string, FrozenConvolution> layers_;
  Tensor classifier_; // [1008, 2048]
};

} // namespace d2c
