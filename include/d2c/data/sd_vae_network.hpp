#pragma once
/// The autoencoder of Stable Diffusion for inference, from files in each of its three spellings.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/data/latent_posterior.hpp>
#include <d2c/data/sd_vae_shape.hpp>
#include <d2c/data/sd_vae_tensors.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/ops/frozen_convolution.hpp>
#include <d2c/ops/frozen_doubling.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Encoder and decoder of the KL autoencoder (Rombach et al. 2022) as diffusers' AutoencoderKL runs
/// them: group norm with eps 1e-6, SiLU, one attention head over all places in the middle, zeros
/// only to the right and below where the encoder halves, nearest neighbours where the decoder
/// doubles. Computes in float32.
class SDVaeNetwork {
public:
  /// Reads the network from a file in any floating type. Throws one InputError that lists each
  /// tensor that is missing, has another shape, or has no place in a network of this shape.
  SDVaeNetwork(const WeightsFile& file, const SDVaeShape& shape, at::Device device = at::kCPU)
      : shape_{shape}, device_{device} {
    const c10::NoGradGuard no_grad;
    const SDVaeNames names = sd_vae_names_of(file.names());
    require_fits(file, shape);
    const auto take = [&](const std::string& name) {
      return file.read(name).to(device, at::kFloat).contiguous();
    };
    const auto affine = [&](const std::string& name) {
      return Affine{take(name + ".weight"), take(name + ".bias")};
    };
    const auto convolution = [&](const std::string& name, std::int64_t side,
                                 std::int64_t stride = 1) {
      const Tensor weight = take(name + ".weight");
      FrozenConvolution::Geometry geometry;
      geometry.rows = geometry.columns = side;
      geometry.stride = {stride, stride};
      if (stride == 1) {
        geometry.padding = {weight.size(2) / 2, weight.size(3) / 2};
      }
      return FrozenConvolution{weight, take(name + ".bias"), geometry};
    };
    const auto block = [&](const std::string& name, std::int64_t side) {
      Block read{affine(name + "norm1"), convolution(name + "conv1", side), affine(name + "norm2"),
                 convolution(name + "conv2", side), std::nullopt};
      if (file.has(name + names.shortcut() + ".weight")) {
        read.shortcut = convolution(name + names.shortcut(), side);
      }
      return read;
    };
    // Of the images that the published weights were made for.
    constexpr std::int64_t image = 256;
    constexpr std::int64_t inner = image / SDVaeShape::down;
    for (const SDVaeHalf half : {SDVaeHalf::encoder, SDVaeHalf::decoder}) {
      const bool down = half == SDVaeHalf::encoder;
      Half& read = down ? encoder_ : decoder_;
      std::int64_t side = down ? image : inner;
      read.first = convolution(names.first(half), side);
      for (int level = 0; level < SDVaeShape::levels; ++level) {
        Level blocks;
        for (int i = 0; i < shape.layers + (down ? 0 : 1); ++i) {
          blocks.blocks.push_back(block(names.block(half, level, i), side));
        }
        if (level + 1 < SDVaeShape::levels) {
          const std::string resample = names.resample(half, level);
          if (down) {
            blocks.halve = convolution(resample, side, 2);
          } else {
            blocks.twice = {take(resample + ".weight"), take(resample + ".bias"), side};
          }
          side = down ? side / 2 : 2 * side;
        }
        read.levels.push_back(std::move(blocks));
      }
      read.before = block(names.middle(half, 0), inner);
      read.attention_norm = affine(names.attention_norm(half));
      // The maps of the attention are convolutions of one place, as CompVis writes them.
      const auto map = [&](const std::string& name) {
        return take(name + ".weight").flatten(1).unsqueeze(2).unsqueeze(3);
      };
      std::vector<Tensor> weights;
      std::vector<Tensor> biases;
      for (const std::string& part : names.qkv(half)) {
        weights.push_back(map(part));
        biases.push_back(take(part + ".bias"));
      }
      const FrozenConvolution::Geometry places{{1, 1}, {0, 0}, inner, inner};
      read.qkv = {at::cat(weights), at::cat(biases), places};
      const std::string output = names.attention_output(half);
      read.attention_output = {map(output), take(output + ".bias"), places};
      read.after = block(names.middle(half, 1), inner);
      read.last_norm = affine(names.last_norm(half));
      read.last = convolution(names.last(half), side);
      read.quant = convolution(names.quant(half), inner);
    }
  }

  /// Throws as the constructor if the file does not hold such a network; reads no values.
  static void require_fits(const WeightsFile& file, const SDVaeShape& shape) {
    const SDVaeNames names = sd_vae_names_of(file.names());
    TensorDifferences differences{file};
    differences.expect(sd_vae_tensors(shape, names));
    differences.refuse_others([&](const std::string& name) {
      return name.starts_with(names.prefix) && !names.of_training(name);
    });
    differences.raise("the weights of Stable Diffusion's autoencoder of widths " +
                      c10::str(at::IntArrayRef{std::vector<std::int64_t>(shape.channels.begin(),
                                                                         shape.channels.end())}));
  }

  /// The posterior over latents [n, latent, H/8, W/8] of images [n, 3, H, W] float32 in [-1, 1], H
  /// and W multiples of 8; on the network's device. With `tile` > 0 images larger than that are
  /// encoded in overlapping tiles of that many pixels, a multiple of 32. Throws InputError for
  /// another input.
  [[nodiscard]] LatentPosterior encode(const Tensor& images, std::int64_t tile = 0) const {
    constexpr std::int64_t down = SDVaeShape::down;
    expect(images, SDVaeShape::image_channels, down, "images");
    const c10::NoGradGuard no_grad;
    const auto run = [&](const Tensor& part) {
      return encoder_.quant(encoder_forward(part.to(device())));
    };
    if (!is_tiled(images, tile, 1)) {
      return LatentPosterior::from_output(run(images));
    }
    return LatentPosterior::from_output(tiled(images, tile, tile / down, run));
  }

  /// Images [n, 3, 8 h, 8 w] float32, about in [-1, 1], of unscaled latents [n, latent, h, w]
  /// float32; on the network's device. `tile`, in pixels of the image, and errors as for encode.
  [[nodiscard]] Tensor decode(const Tensor& latents, std::int64_t tile = 0) const {
    constexpr std::int64_t up = SDVaeShape::down;
    expect(latents, shape_.latent, 1, "latents");
    const c10::NoGradGuard no_grad;
    const auto run = [&](const Tensor& part) {
      return decoder_forward(decoder_.quant(channels_last(part.to(device()))));
    };
    return is_tiled(latents, tile, up) ? tiled(latents, tile / up, tile, run) : run(latents);
  }

  [[nodiscard]] const SDVaeShape& shape() const { return shape_; }

  [[nodiscard]] at::Device device() const { return device_; }

private:
  struct Affine {
    Tensor weight;
    Tensor bias;
  };

  struct Block {
    Affine norm1;
    FrozenConvolution conv1;
    Affine norm2;
    FrozenConvolution conv2;
    std::optional<FrozenConvolution> shortcut;
  };

  struct Level {
    std::vector<Block> blocks;
    FrozenConvolution halve; // to the next level of the encoder,
    FrozenDoubling twice;    // to that of the decoder
  };

  struct Half {
    FrozenConvolution first;
    std::vector<Level> levels;
    Block before;
    Affine attention_norm;
    FrozenConvolution qkv;
    FrozenConvolution attention_output;
    Block after;
    Affine last_norm;
    FrozenConvolution last;
    FrozenConvolution quant;
  };

  static void expect(const Tensor& input, std::int64_t channels, std::int64_t multiple,
                     const char* what) {
    if (input.dim() != 4 || input.size(1) != channels || input.size(2) < multiple ||
        input.size(3) < multiple || input.size(2) % multiple != 0 ||
        input.size(3) % multiple != 0 || input.scalar_type() != at::kFloat) {
      throw InputError("SDVae: expected " + std::string(what) + " [n, " + std::to_string(channels) +
                       ", H, W] of float32" +
                       (multiple > 1 ? " with H and W multiples of " + std::to_string(multiple)
                                     : std::string()) +
                       ", found " + c10::str(input.sizes()) + " of " +
                       c10::toString(input.scalar_type()));
    }
  }

  /// Whether an input, each of whose places is `scale` pixels wide, is larger than a tile.
  static bool is_tiled(const Tensor& input, std::int64_t tile, std::int64_t scale) {
    if (tile < 0 || tile % (4 * SDVaeShape::down) != 0) {
      throw InputError("SDVae: expected tiles of a multiple of 32 pixels, or 0 for none, found " +
                       std::to_string(tile));
    }
    return tile > 0 && (input.size(2) * scale > tile || input.size(3) * scale > tile);
  }

  static Tensor channels_last(const Tensor& x) {
    return x.contiguous(at::MemoryFormat::ChannelsLast);
  }

  [[nodiscard]] Tensor normalise(const Tensor& x, const Affine& norm) const {
    return at::group_norm(x, shape_.groups, norm.weight, norm.bias, 1e-6);
  }

  [[nodiscard]] Tensor activate(const Tensor& x, const Affine& norm) const {
    Tensor y = normalise(x, norm);
    return at::silu_(y);
  }

  /// x += branch(x), or shortcut(x) + branch(x) where the widths differ.
  void pass(Tensor& x, const Block& block) const {
    Tensor inner = block.conv1(activate(x, block.norm1));
    inner = activate(inner, block.norm2);
    if (block.shortcut) {
      x = (*block.shortcut)(x);
    }
    block.conv2.add_to(x, inner);
  }

  void attend(Tensor& x, const Half& half) const {
    const std::int64_t n = x.size(0);
    const std::int64_t width = x.size(1);
    const std::int64_t places = x.size(2) * x.size(3);
    const auto qkv = half.qkv(normalise(x, half.attention_norm))
                         .permute({0, 2, 3, 1})
                         .reshape({n, 1, places, 3 * width})
                         .split(width, 3);
    const Tensor mixed = at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2])
                             .reshape({n, x.size(2), x.size(3), width})
                             .permute({0, 3, 1, 2});
    half.attention_output.add_to(x, mixed);
  }

  void pass_middle(Tensor& x, const Half& half) const {
    pass(x, half.before);
    attend(x, half);
    pass(x, half.after);
  }

  [[nodiscard]] Tensor encoder_forward(const Tensor& images) const {
    Tensor x = encoder_.first(channels_last(images));
    for (const Level& level : encoder_.levels) {
      for (const Block& block : level.blocks) {
        pass(x, block);
      }
      if (&level != &encoder_.levels.back()) {
        x = level.halve(at::constant_pad_nd(x, {0, 1, 0, 1}));
      }
    }
    pass_middle(x, encoder_);
    return encoder_.last(activate(x, encoder_.last_norm));
  }

  [[nodiscard]] Tensor decoder_forward(const Tensor& latents) const {
    Tensor x = decoder_.first(latents);
    pass_middle(x, decoder_);
    for (const Level& level : decoder_.levels) {
      for (const Block& block : level.blocks) {
        pass(x, block);
      }
      if (&level != &decoder_.levels.back()) {
        x = level.twice(x);
      }
    }
    return decoder_.last(activate(x, decoder_.last_norm));
  }

  /// `run` on tiles of `side` places of the input, which overlap by a quarter, put together from
  /// results of `result_side` places that fade into each other over a quarter: first from above,
  /// then from the left, as diffusers blends them.
  template <class Run>
  static Tensor tiled(const Tensor& input, std::int64_t side, std::int64_t result_side,
                      const Run& run) {
    const std::int64_t step = side - side / 4;
    const std::int64_t fade = result_side / 4;
    const std::int64_t keep = result_side - fade;
    std::vector<Tensor> strips;
    std::vector<Tensor> above;
    for (std::int64_t y = 0; y < input.size(2); y += step) {
      std::vector<Tensor> row;
      std::vector<Tensor> kept;
      for (std::int64_t x = 0; x < input.size(3); x += step) {
        const Tensor tile = run(input.slice(2, y, y + side).slice(3, x, x + side).contiguous());
        if (!above.empty()) {
          fade_in(above[row.size()], tile, 2, fade);
        }
        if (!row.empty()) {
          fade_in(row.back(), tile, 3, fade);
        }
        kept.push_back(tile.slice(2, 0, keep).slice(3, 0, keep));
        row.push_back(tile);
      }
      strips.push_back(at::cat(kept, 3));
      above = std::move(row);
    }
    return at::cat(strips, 2);
  }

  /// Lets the beginning of `tile` along `dim` come out of the end of `before`.
  static void fade_in(const Tensor& before, const Tensor& tile, std::int64_t dim,
                      std::int64_t most) {
    const std::int64_t extent = std::min({before.size(dim), tile.size(dim), most});
    const Tensor ramp = at::arange(extent, tile.options()).div_(static_cast<double>(extent));
    const Tensor share = dim == 2 ? ramp.view({extent, 1}) : ramp;
    const Tensor end = before.narrow(dim, before.size(dim) - extent, extent);
    Tensor start = tile.narrow(dim, 0, extent);
    start.mul_(share).add_(end * (1 - share));
  }

  SDVaeShape shape_;
  at::Device device_;
  Half encoder_;
  Half decoder_;
};

} // namespace d2c
