#pragma once
/// The parameters of a diffusion transformer as a list: published names, shapes and initialisation,
/// in the order they have in the flat buffer. Holds no values (see tensor/parameter_table.hpp).

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/element_count.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

/// How a parameter starts (Peebles & Xie 2023, reference implementation): zeros; Xavier-uniform on
/// the matrix [first dimension, rest]; normal with deviation 0.02; the fixed sine-cosine grid; or
/// ones (the scale of a layer norm).
enum class Initialisation { zeros, xavier_uniform, normal, sine_cosine, ones };

/// One named parameter. `trainable` is false for `pos_embed` alone: part of the state dict, but
/// without gradient.
struct ParameterEntry {
  std::string name;
  std::vector<std::int64_t> shape;
  Initialisation initialisation = Initialisation::zeros;
  bool trainable = true;

  [[nodiscard]] std::int64_t count() const { return element_count(shape); }

  friend bool operator==(const ParameterEntry&, const ParameterEntry&) = default;
};

/// Refuses shapes no transformer can have: sizes below one, an input that patches do not tile, a
/// width that heads or the position embedding (four quarters) do not divide, more tokens, channels
/// or classes than an int counts. Throws InputError.
template <class = Once>
void require_valid(const NetworkShape& shape) {
  const auto& size = shape.size;
  const auto need = [](bool holds, const std::string& sentence) {
    if (!holds) {
      throw InputError("network shape: " + sentence);
    }
  };
  need(size.depth > 0 && size.width > 0 && size.heads > 0 && size.patch > 0 && size.mlp_ratio > 0,
       "depth, width, heads, patch and mlp_ratio must be at least 1");
  need(size.width % size.heads == 0, "width " + std::to_string(size.width) +
                                         " must be a multiple of heads " +
                                         std::to_string(size.heads));
  need(size.width % 4 == 0, "width " + std::to_string(size.width) +
                                " must be a multiple of 4 for the sine-cosine position embedding");
  need(shape.channels > 0 && shape.height > 0 && shape.width > 0,
       "channels, height and width must be at least 1");
  need(shape.height % size.patch == 0 && shape.width % size.patch == 0,
       "input " + std::to_string(shape.height) + "x" + std::to_string(shape.width) +
           " must be a multiple of patch " + std::to_string(size.patch));
  constexpr int most = std::numeric_limits<int>::max();
  need(std::int64_t{shape.grid_height()} * shape.grid_width() < most && shape.channels <= most / 2,
       "patches and output channels must be fewer than 2^31");
  need(!shape.class_embedding || shape.classes > 0, "classes must be at least 1");
  need(shape.classes < most, "classes must be fewer than 2^31 - 1");
  need(!shape.text_embedding ||
           (shape.classes > 0 && shape.text_tokens > 0 && shape.text_width > 0),
       "a text embedding needs classes, text_tokens and text_width of at least 1");
  need(shape.align_depth >= 0 && shape.align_depth <= size.depth,
       "align_depth " + std::to_string(shape.align_depth) + " must lie between 0 and depth " +
           std::to_string(size.depth));
  need(shape.align_depth == 0 || (shape.align_width > 0 && shape.align_hidden > 0),
       "a projector needs align_width and align_hidden of at least 1");
  need(shape.class_token_width >= 0, "class_token_width must not be negative");
  need(shape.class_token_width == 0 || !shape.learn_sigma,
       "a class token has no variance: class_token_width needs a network without learn_sigma");
  need(shape.class_token_width == 0 || shape.align_depth == 0 ||
           shape.align_width == shape.class_token_width,
       "the projector's align_width " + std::to_string(shape.align_width) +
           " must be class_token_width " + std::to_string(shape.class_token_width));
}
D2C_COMPILED_ONCE(void require_valid<>(const NetworkShape&))

/// Every parameter of `shape`, in buffer order. The adaLN matrices of all blocks and of the final
/// layer lie one after another, as do their biases: the modulation of the whole network is one
/// matrix product. `pos_embed` comes last, so trainable parameters are one leading range.
/// Names follow the published DiT, SiT, REPA and REG state dicts; `y_embedder.text_*` are ours.
/// Throws InputError as require_valid, and for more elements than an int64 counts.
template <class = Once>
std::vector<ParameterEntry> parameter_list(const NetworkShape& shape) {
  require_valid(shape);
  const std::int64_t width = shape.size.width;
  const std::int64_t patch = shape.size.patch;
  const std::int64_t hidden = width * shape.size.mlp_ratio;
  const std::int64_t frequencies = 256;

  std::vector<ParameterEntry> list;
  std::int64_t total = 0;
  const auto add = [&](std::string name, std::vector<std::int64_t> extents,
                       Initialisation initialisation, bool trainable = true) {
    std::int64_t count = 1;
    bool counts = true;
    for (const std::int64_t extent : extents) {
      counts = counts && !__builtin_mul_overflow(count, extent, &count);
    }
    if (!counts || __builtin_add_overflow(total, count, &total)) {
      throw InputError("network shape: up to " + name + " there are more than 2^63 parameters");
    }
    list.push_back({std::move(name), std::move(extents), initialisation, trainable});
  };
  const auto add_linear = [&add](const std::string& name, std::int64_t out, std::int64_t in,
                                 Initialisation initialisation = Initialisation::xavier_uniform) {
    add(name + ".weight", {out, in}, initialisation);
    add(name + ".bias", {out}, Initialisation::zeros);
  };
  const auto block = [](int index) { return "blocks." + std::to_string(index); };
  constexpr auto zeros = Initialisation::zeros;
  constexpr auto normal = Initialisation::normal;

  add("x_embedder.proj.weight", {width, shape.channels, patch, patch},
      Initialisation::xavier_uniform);
  add("x_embedder.proj.bias", {width}, zeros);
  if (shape.class_token_width > 0) {
    add_linear("cls_projectors2", width, shape.class_token_width);
    add("wg_norm.weight", {width}, Initialisation::ones);
    add("wg_norm.bias", {width}, zeros);
  }
  add_linear("t_embedder.mlp.0", width, frequencies, normal);
  add_linear("t_embedder.mlp.2", width, width, normal);
  if (shape.class_embedding) {
    add("y_embedder.embedding_table.weight", {shape.classes + 1, width}, normal);
  }
  if (shape.text_embedding) {
    add("y_embedder.text_conv.weight", {width, shape.text_width, shape.text_tokens}, normal);
    add("y_embedder.text_conv.bias", {width}, zeros);
    add_linear("y_embedder.text_mlp.0", width, width);
    add_linear("y_embedder.text_mlp.2", width, width);
  }
  for (int i = 0; i < shape.size.depth; ++i) {
    add_linear(block(i) + ".attn.qkv", 3 * width, width);
    add_linear(block(i) + ".attn.proj", width, width);
    add_linear(block(i) + ".mlp.fc1", hidden, width);
    add_linear(block(i) + ".mlp.fc2", width, hidden);
  }
  for (int i = 0; i < shape.size.depth; ++i) {
    add(block(i) + ".adaLN_modulation.1.weight", {6 * width, width}, zeros);
  }
  add("final_layer.adaLN_modulation.1.weight", {2 * width, width}, zeros);
  for (int i = 0; i < shape.size.depth; ++i) {
    add(block(i) + ".adaLN_modulation.1.bias", {6 * width}, zeros);
  }
  add("final_layer.adaLN_modulation.1.bias", {2 * width}, zeros);
  // The rows cannot overflow, as four times as many elements of x_embedder.proj were counted.
  add_linear("final_layer.linear", patch * patch * shape.out_channels(), width, zeros);
  if (shape.class_token_width > 0) {
    add_linear("final_layer.linear_cls", shape.class_token_width, width, zeros);
  }
  if (shape.align_depth > 0) {
    add_linear("projectors.0.0", shape.align_hidden, width);
    add_linear("projectors.0.2", shape.align_hidden, shape.align_hidden);
    add_linear("projectors.0.4", shape.align_width, shape.align_hidden);
  }
  add("pos_embed", {1, shape.sequence(), width}, Initialisation::sine_cosine, false);
  return list;
}
D2C_COMPILED_ONCE(std::vector<ParameterEntry> parameter_list<>(const NetworkShape&))

/// Number of parameters of `shape`, the frozen position embedding included (as published totals
/// count: 675 129 632 for DiT-XL/2 at 32x32x4 with learned variance).
inline std::int64_t parameter_count(const NetworkShape& shape) {
  std::int64_t total = 0;
  for (const auto& entry : parameter_list(shape)) {
    total += entry.count();
  }
  return total;
}

} // namespace d2c
