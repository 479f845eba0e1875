#pragma once
/// DiT and SiT: the network that predicts noise or velocity from a noisy latent, a time and a
/// condition. Holds the network alone; objectives and samplers call it.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <d2c/models/block.hpp>
#include <d2c/models/class_token.hpp>
#include <d2c/models/condition_embedding.hpp>
#include <d2c/models/final_layer.hpp>
#include <d2c/models/fused_block.hpp>
#include <d2c/models/patch_embedding.hpp>
#include <d2c/models/position_embedding.hpp>
#include <d2c/models/projector.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/tensor/parameter_table.hpp>

namespace d2c {

/// What a prediction is conditioned on beside time. The value `classes` stands for "none" (the null
/// row of classifier-free guidance); dropping a condition means passing it.
struct Conditioning {
  Tensor labels;      ///< [B] int64
  Tensor text_labels; ///< [B] int64: whose prompt each sample gets; undefined: `labels`
};

/// What the network returns.
struct TransformerOutput {
  Tensor prediction;  ///< [B, C, H, W]
  Tensor variance;    ///< [B, C, H, W] with learn_sigma, else undefined
  Tensor projected;   ///< [B, N, align_width] if asked for, else undefined; N counts a class token
  Tensor class_token; ///< [B, class_token_width] of a network with a class token, else undefined
  Tensor hidden;      ///< [B, N, D] after the block that was asked for, else undefined
};

/// One diffusion transformer over its own parameter table (Peebles & Xie 2023; Ma et al. 2024;
/// projector of Yu et al. 2025; class token of Wu et al. 2025; text branch of D2C's Eq. 9).
/// Backward adds every parameter's gradient to `parameters().gradients()`; the network must outlive
/// the graphs it makes.
class DiffusionTransformer {
public:
  /// Allocates on `device` and draws the published initialisation from `seed`. Without a seed, for
  /// a network whose weights are loaded, all but the position embedding is zero, and the memory of
  /// large CPU networks is not touched. `dtype` is float32 except in tests of exactness. Throws
  /// InputError on an impossible shape.
  DiffusionTransformer(const NetworkShape& shape, at::Device device,
                       std::optional<std::uint64_t> seed, at::ScalarType dtype = at::kFloat,
                       BlockPath path = BlockPath::automatic)
      : shape_(shape),
        parameters_(parameter_list(shape), device, dtype),
        anchor_(at::zeros({}, at::TensorOptions().device(device).dtype(dtype))) {
    anchor_.set_requires_grad(true);
    if (seed) {
      parameters_.initialise(*seed);
    }
    auto positions = position_embedding(shape.grid_height(), shape.grid_width(), shape.size.width);
    // The row of a class token, before the others, is zero.
    parameters_.value("pos_embed")
        .narrow(1, shape.sequence() - shape.tokens(), shape.tokens())
        .copy_(at::from_blob(positions.data(), {1, shape.tokens(), shape.size.width}, at::kFloat));
    bind(resolved(path));
  }

  DiffusionTransformer(const DiffusionTransformer&) = delete;
  DiffusionTransformer& operator=(const DiffusionTransformer&) = delete;
  DiffusionTransformer(DiffusionTransformer&&) = delete;
  DiffusionTransformer& operator=(DiffusionTransformer&&) = delete;
  ~DiffusionTransformer() = default;

  [[nodiscard]] ParameterTable& parameters() { return parameters_; }

  [[nodiscard]] const ParameterTable& parameters() const { return parameters_; }

  [[nodiscard]] const NetworkShape& shape() const { return shape_; }

  /// Sets the prompts of DC-Embedding: tokens [classes, L, W] and mask [classes, L] (1: a token, 0:
  /// padding). Not part of the state dict. Throws InputError on other shapes or without a text
  /// branch.
  void set_text_table(const Tensor& tokens, const Tensor& mask) {
    if (!shape_.text_embedding) {
      throw InputError("text table: this network has no text embedding");
    }
    const std::vector<std::int64_t> expected{shape_.classes, shape_.text_tokens, shape_.text_width};
    require_sizes("text tokens", tokens, expected);
    require_sizes("text mask", mask, {shape_.classes, shape_.text_tokens});
    const auto& like = parameters_.values();
    const auto masked =
        (tokens.to(like.options()) * mask.to(like.options()).unsqueeze(-1)).transpose(1, 2);
    condition_.text->table =
        at::cat({masked.reshape({shape_.classes, -1}),
                 at::zeros({1, shape_.text_tokens * shape_.text_width}, like.options())});
  }

  /// What each class adds to the condition by its embedding and its prompt, "none" in the last row:
  /// [classes + 1, D]. Throws InputError where prompts are not set yet.
  [[nodiscard]] Tensor class_vectors() const {
    if (condition_.text && !condition_.text->table.defined()) {
      throw InputError("text table: set_text_table must be called before class_vectors");
    }
    return d2c::class_vectors(condition_);
  }

  /// x [B, C, H, W], t [B] (network time: 0..999 for DiT, [0, 1] for SiT; never scaled here).
  /// `with_projection` asks for the projector's output; `class_token` [B, class_token_width], at
  /// the same time as x, goes with a network that has one; `hidden_after` > 0 asks for the tokens
  /// after that many blocks. Under NoGradGuard nothing is kept.
  [[nodiscard]] TransformerOutput forward(const Tensor& x, const Tensor& t,
                                          const Conditioning& conditioning,
                                          bool with_projection = false,
                                          const Tensor& class_token = {},
                                          int hidden_after = 0) const {
    const auto batch = x.size(0);
    require_sizes("input", x, {batch, shape_.channels, shape_.height, shape_.width});
    require_sizes("time", t, {batch});
    auto labels = conditioning.labels;
    if (shape_.class_embedding || shape_.text_embedding) {
      require_sizes("labels", labels, {batch});
    } else {
      labels = at::zeros({batch}, x.options().dtype(at::kLong));
    }
    const auto text_labels = conditioning.text_labels.defined() ? conditioning.text_labels : labels;
    if (condition_.text && !condition_.text->table.defined()) {
      throw InputError("text table: set_text_table must be called before forward");
    }
    if (with_projection && shape_.align_depth == 0) {
      throw InputError("network: a projection was asked for, but align_depth is 0");
    }
    if (hidden_after < 0 || hidden_after > shape_.size.depth) {
      throw InputError("network: expected a block from 1 to " + std::to_string(shape_.size.depth) +
                       " to take hidden tokens from, found " + std::to_string(hidden_after));
    }

    if (shape_.class_token_width > 0) {
      require_sizes("class token", class_token, {batch, shape_.class_token_width});
    } else if (class_token.defined()) {
      throw InputError("network: a class token was given, but this network has none");
    }

    const auto dtype = parameters_.values().scalar_type();
    const auto modulation = apply_condition(condition_, t, labels, text_labels, anchor_);
    const auto parts = modulation.split_with_sizes(modulation_widths_, 1);
    auto tokens = apply_patch_embedding(embedding_, x.to(dtype), anchor_);
    if (shape_.class_token_width > 0) {
      tokens = apply_class_token_embedding(class_embedding_, tokens, class_token.to(dtype));
    }
    TransformerOutput output;
    if (!at::GradMode::is_enabled() && !with_projection && hidden_after == 0 &&
        blocks_.front().path == BlockPath::fused) {
      tokens = fused_blocks_inference(blocks_, tokens, parts);
    } else {
      for (std::size_t i = 0; i < blocks_.size(); ++i) {
        tokens = apply_block(blocks_[i], tokens, parts[i]);
        if (with_projection && static_cast<int>(i) + 1 == shape_.align_depth) {
          output.projected = apply_projector(projector_, tokens);
        }
        if (static_cast<int>(i) + 1 == hidden_after) {
          output.hidden = tokens;
        }
      }
    }
    Tensor image;
    if (shape_.class_token_width > 0) {
      std::tie(image, output.class_token) =
          apply_final_layer(entangled_final_, tokens, parts.back());
    } else {
      image = apply_final_layer(final_, tokens, parts.back());
    }
    if (shape_.learn_sigma) {
      output.prediction = image.narrow(1, 0, shape_.channels);
      output.variance = image.narrow(1, shape_.channels, shape_.channels);
    } else {
      output.prediction = image;
    }
    return output;
  }

private:
  static std::string text_of(at::IntArrayRef sizes) {
    std::string text = "[";
    for (const auto size : sizes) {
      text += (text.size() > 1 ? ", " : "") + std::to_string(size);
    }
    return text + "]";
  }

  static void require_sizes(const char* what, const Tensor& tensor, at::IntArrayRef expected) {
    if (!tensor.defined() || tensor.sizes() != expected) {
      throw InputError(std::string("network: expected ") + what + " of shape " + text_of(expected) +
                       ", found " + (tensor.defined() ? text_of(tensor.sizes()) : "none"));
    }
  }

  /// The adaLN layers of all blocks and of the final layer as one, thanks to the buffer's order.
  [[nodiscard]] Linear bind_modulation() const {
    const std::int64_t width = shape_.size.width;
    const std::int64_t rows = (6 * shape_.size.depth + 2) * width;
    const auto weight = parameters_.offset("blocks.0.adaLN_modulation.1.weight");
    const auto bias = parameters_.offset("blocks.0.adaLN_modulation.1.bias");
    const auto& values = parameters_.values();
    const auto& gradients = parameters_.gradients();
    return {values.narrow(0, weight, rows * width).view({rows, width}),
            values.narrow(0, bias, rows),
            gradients.narrow(0, weight, rows * width).view({rows, width}),
            gradients.narrow(0, bias, rows)};
  }

  [[nodiscard]] BlockPath resolved(BlockPath path) const {
    const auto& values = parameters_.values();
    const bool available = fused_blocks_available(values.device(), values.scalar_type());
    if (path == BlockPath::fused && !available) {
      throw InputError("network: the fused block path needs float32 on a CPU with AVX2 and FMA");
    }
    return path == BlockPath::operators || !available ? BlockPath::operators : BlockPath::fused;
  }

  void bind(BlockPath path) {
    const auto pool = std::make_shared<BufferPool>();
    const auto& table = parameters_;
    embedding_ = {
        bind_linear(table, "x_embedder.proj"),
        table.value("pos_embed").narrow(1, shape_.sequence() - shape_.tokens(), shape_.tokens()),
        shape_.size.patch};
    if (shape_.class_token_width > 0) {
      class_embedding_ = {
          bind_linear(table, "cls_projectors2"), table.value("wg_norm.weight"),
          table.value("wg_norm.bias"),           table.gradient("wg_norm.weight"),
          table.gradient("wg_norm.bias"),        table.value("pos_embed").narrow(1, 0, 1)};
      entangled_final_ = {bind_linear(table, "final_layer.linear"),
                          bind_linear(table, "final_layer.linear_cls"),
                          shape_.size.patch,
                          shape_.out_channels(),
                          shape_.height,
                          shape_.width};
    }
    condition_.time_first = bind_linear(table, "t_embedder.mlp.0");
    condition_.time_second = bind_linear(table, "t_embedder.mlp.2");
    if (shape_.class_embedding) {
      condition_.class_table = table.value("y_embedder.embedding_table.weight");
      condition_.class_table_gradient = table.gradient("y_embedder.embedding_table.weight");
    }
    if (shape_.text_embedding) {
      condition_.text = TextEmbedding{bind_linear(table, "y_embedder.text_conv"),
                                      bind_linear(table, "y_embedder.text_mlp.0"),
                                      bind_linear(table, "y_embedder.text_mlp.2"), Tensor()};
    }
    condition_.modulation = bind_modulation();
    for (int i = 0; i < shape_.size.depth; ++i) {
      blocks_.push_back(bind_block(table, i, shape_.size.heads, path, pool));
      modulation_widths_.push_back(6 * shape_.size.width);
    }
    modulation_widths_.push_back(2 * shape_.size.width);
    final_ = {bind_linear(table, "final_layer.linear"), shape_.size.patch, shape_.out_channels(),
              shape_.height, shape_.width};
    if (shape_.align_depth > 0) {
      projector_ = {bind_linear(table, "projectors.0.0"), bind_linear(table, "projectors.0.2"),
                    bind_linear(table, "projectors.0.4"), path, pool};
    }
  }

  NetworkShape shape_;
  ParameterTable parameters_;
  Tensor anchor_;
  PatchEmbedding embedding_;
  ConditionEmbedding condition_;
  std::vector<Block> blocks_;
  std::vector<std::int64_t> modulation_widths_;
  FinalLayer final_;
  ClassTokenEmbedding class_embedding_;
  EntangledFinalLayer entangled_final_;
  Projector projector_;
};

} // namespace d2c
