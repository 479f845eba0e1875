#pragma once
/// The autoencoder of Stable Diffusion as a list of named tensors, in the three spellings that its
/// files use. Torch-free; holds no values.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <d2c/data/sd_vae_shape.hpp>
#include <d2c/models/named_shape.hpp>

namespace d2c {

/// Whose names a file uses: those of diffusers, the same with the attention's names from before
/// diffusers 0.15 (what the published sd-vae-ft files carry), or those of the authors (CompVis).
enum class SDVaeLayout { diffusers, deprecated, ldm };

/// The parts of the network that have tensors of their own in both halves.
enum class SDVaeHalf { encoder, decoder };

/// Where the parts of the network lie in a layout, all names behind `prefix`. Names of linear maps,
/// convolutions and norms are without ".weight" and ".bias"; those of blocks end with a dot. Levels
/// count as the network passes them, which the authors' decoder does in reverse.
struct SDVaeNames {
  SDVaeLayout layout = SDVaeLayout::diffusers;
  std::string prefix;

  /// conv_in, conv_out and, as `last_norm`, the norm before the latter.
  [[nodiscard]] std::string first(SDVaeHalf half) const { return side(half) + "conv_in"; }

  [[nodiscard]] std::string last(SDVaeHalf half) const { return side(half) + "conv_out"; }

  [[nodiscard]] std::string last_norm(SDVaeHalf half) const {
    return side(half) + (authors() ? "norm_out" : "conv_norm_out");
  }

  /// The 1 x 1 convolution behind the encoder or before the decoder.
  [[nodiscard]] std::string quant(SDVaeHalf half) const {
    return prefix + (half == SDVaeHalf::encoder ? "quant_conv" : "post_quant_conv");
  }

  [[nodiscard]] std::string block(SDVaeHalf half, int level, int index) const {
    return at_level(half, level) + (authors() ? "block." : "resnets.") + std::to_string(index) +
           ".";
  }

  /// The convolution that halves or doubles the size behind a level.
  [[nodiscard]] std::string resample(SDVaeHalf half, int level) const {
    const bool down = half == SDVaeHalf::encoder;
    if (authors()) {
      return at_level(half, level) + (down ? "downsample.conv" : "upsample.conv");
    }
    return at_level(half, level) + (down ? "downsamplers.0.conv" : "upsamplers.0.conv");
  }

  /// A residual block of the middle, 0 before the attention and 1 behind it.
  [[nodiscard]] std::string middle(SDVaeHalf half, int index) const {
    return side(half) +
           (authors() ? "mid.block_" + std::to_string(index + 1)
                      : "mid_block.resnets." + std::to_string(index)) +
           ".";
  }

  [[nodiscard]] std::string attention_norm(SDVaeHalf half) const {
    return attention(half) + (authors() ? "norm" : "group_norm");
  }

  /// Query, key and value, in this order.
  [[nodiscard]] std::vector<std::string> qkv(SDVaeHalf half) const {
    const std::string at = attention(half);
    switch (layout) {
    case SDVaeLayout::deprecated:
      return {at + "query", at + "key", at + "value"};
    case SDVaeLayout::ldm:
      return {at + "q", at + "k", at + "v"};
    case SDVaeLayout::diffusers:
      break;
    }
    return {at + "to_q", at + "to_k", at + "to_v"};
  }

  [[nodiscard]] std::string attention_output(SDVaeHalf half) const {
    switch (layout) {
    case SDVaeLayout::deprecated:
      return attention(half) + "proj_attn";
    case SDVaeLayout::ldm:
      return attention(half) + "proj_out";
    case SDVaeLayout::diffusers:
      break;
    }
    return attention(half) + "to_out.0";
  }

  /// The 1 x 1 convolution around a block whose channels change, as a name inside the block.
  [[nodiscard]] const char* shortcut() const {
    return authors() ? "nin_shortcut" : "conv_shortcut";
  }

  /// What the authors' files keep beside the network: the discriminator and averages of training.
  [[nodiscard]] bool of_training(const std::string& name) const {
    return authors() &&
           (name.starts_with(prefix + "loss.") || name.starts_with(prefix + "model_ema."));
  }

private:
  [[nodiscard]] bool authors() const { return layout == SDVaeLayout::ldm; }

  [[nodiscard]] std::string side(SDVaeHalf half) const {
    return prefix + (half == SDVaeHalf::encoder ? "encoder." : "decoder.");
  }

  [[nodiscard]] std::string at_level(SDVaeHalf half, int level) const {
    const bool down = half == SDVaeHalf::encoder;
    if (authors()) {
      const int place = down ? level : SDVaeShape::levels - 1 - level;
      return side(half) + (down ? "down." : "up.") + std::to_string(place) + ".";
    }
    return side(half) + (down ? "down_blocks." : "up_blocks.") + std::to_string(level) + ".";
  }

  [[nodiscard]] std::string attention(SDVaeHalf half) const {
    return side(half) + (authors() ? "mid.attn_1." : "mid_block.attentions.0.");
  }
};

/// Every tensor of the network under the names of a layout. The authors keep the attention's maps
/// as 1 x 1 convolutions.
inline std::vector<NamedShape> sd_vae_tensors(const SDVaeShape& shape, const SDVaeNames& names) {
  std::vector<NamedShape> list;
  const auto conv = [&](const std::string& name, std::int64_t out, std::int64_t in,
                        std::int64_t side) {
    append_affine(list, name, {out, in, side, side});
  };
  const auto block = [&](const std::string& name, std::int64_t out, std::int64_t in) {
    append_affine(list, name + "norm1", {in});
    conv(name + "conv1", out, in, 3);
    append_affine(list, name + "norm2", {out});
    conv(name + "conv2", out, out, 3);
    if (in != out) {
      conv(name + names.shortcut(), out, in, 1);
    }
  };
  const std::int64_t inner = shape.channels.back();
  for (const SDVaeHalf half : {SDVaeHalf::encoder, SDVaeHalf::decoder}) {
    const bool down = half == SDVaeHalf::encoder;
    std::vector<std::int64_t> widths(shape.channels.begin(), shape.channels.end());
    if (!down) {
      std::reverse(widths.begin(), widths.end());
    }
    const auto middle = [&] {
      block(names.middle(half, 0), inner, inner);
      append_affine(list, names.attention_norm(half), {inner});
      std::vector<std::string> maps = names.qkv(half);
      maps.push_back(names.attention_output(half));
      for (const std::string& map : maps) {
        if (names.layout == SDVaeLayout::ldm) {
          conv(map, inner, inner, 1);
        } else {
          append_affine(list, map, {inner, inner});
        }
      }
      block(names.middle(half, 1), inner, inner);
    };
    conv(names.first(half), widths.front(), down ? SDVaeShape::image_channels : shape.latent, 3);
    if (!down) {
      middle();
    }
    std::int64_t in = widths.front();
    for (int level = 0; level < SDVaeShape::levels; ++level) {
      const std::int64_t out = widths[static_cast<std::size_t>(level)];
      for (int i = 0; i < shape.layers + (down ? 0 : 1); ++i) {
        block(names.block(half, level, i), out, in);
        in = out;
      }
      if (level + 1 < SDVaeShape::levels) {
        conv(names.resample(half, level), out, out, 3);
      }
    }
    if (down) {
      middle();
    }
    append_affine(list, names.last_norm(half), {widths.back()});
    conv(names.last(half), down ? 2 * shape.latent : SDVaeShape::image_channels, widths.back(), 3);
    const std::int64_t quant = down ? 2 * shape.latent : shape.latent;
    conv(names.quant(half), quant, quant, 1);
  }
  return list;
}

/// Whose names these are, and behind which of the usual prefixes. Names of nothing known count as
/// those of diffusers, so that a wrong file is refused with their list.
inline SDVaeNames sd_vae_names_of(const std::vector<std::string>& names) {
  const auto has = [&](const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  for (const char* prefix : {"", "first_stage_model.", "vae.", "state_dict.",
                             "state_dict.first_stage_model.", "state_dict.vae."}) {
    if (!has(std::string(prefix) + "encoder.conv_in.weight")) {
      continue;
    }
    for (const SDVaeLayout layout :
         {SDVaeLayout::ldm, SDVaeLayout::deprecated, SDVaeLayout::diffusers}) {
      const SDVaeNames found{layout, prefix};
      if (has(found.qkv(SDVaeHalf::encoder).front() + ".weight")) {
        return found;
      }
    }
    return {SDVaeLayout::diffusers, prefix};
  }
  return {};
}

} // namespace d2c
