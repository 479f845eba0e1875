#pragma once
/// What frozen networks cost, from their types alone: parameters, arithmetic, memory. What describe
/// lists and plan counts. Torch-free.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <d2c/data/latent.hpp>
#include <d2c/data/sd_vae_tensors.hpp>
#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/dinov2_class_token.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>
#include <d2c/encoders/dinov3_tensors.hpp>
#include <d2c/encoders/efficientnet_lite0.hpp>
#include <d2c/encoders/efficientnet_lite0_pool.hpp>
#include <d2c/encoders/inception_v3.hpp>
#include <d2c/encoders/inception_v3_tensors.hpp>
#include <d2c/encoders/mae.hpp>
#include <d2c/encoders/mae_tensors.hpp>
#include <d2c/encoders/minilm.hpp>
#include <d2c/encoders/minilm_tensors.hpp>
#include <d2c/encoders/mocov3.hpp>
#include <d2c/encoders/mocov3_tensors.hpp>
#include <d2c/encoders/position_rule.hpp>
#include <d2c/encoders/sentence_t5.hpp>
#include <d2c/encoders/siglip_tensors.hpp>
#include <d2c/encoders/t5.hpp>
#include <d2c/encoders/t5_tensors.hpp>
#include <d2c/encoders/vision_transformer_tensors.hpp>
#include <d2c/encoders/with_class_token.hpp>
#include <d2c/models/named_shape.hpp>

namespace d2c {

/// A network that is loaded and not trained. Operations count multiplications and additions; bytes
/// are those of float32.
struct NetworkCost {
  std::string file{};          ///< as published; empty: a Python package carries it
  std::string vocabulary{};    ///< of a text encoder, published beside it
  std::int64_t parameters = 0; ///< numbers that are read of it
  double operations = 0;       ///< of one prompt or image; of an autoencoder: to encode an image
  double decode_operations = 0;
  double activations = 0; ///< bytes that one prompt or image needs besides
};

namespace detail {

/// Of the tensors that inference reads.
inline std::int64_t count_numbers(const std::vector<NamedShape>& tensors) {
  std::int64_t sum = 0;
  for (const NamedShape& tensor : tensors) {
    sum += tensor.needed ? tensor.count() : 0;
  }
  return sum;
}

/// A transformer holds about four rows of its width and two of its hidden layer for each token.
inline double transformer_activations(double tokens, double width, double hidden) {
  return 4 * tokens * (4 * width + 2 * hidden);
}

inline double sd_vae_operations(const SDVaeShape& shape, int height, int width, bool encodes) {
  double sum = 0;
  double places = 1.0 * height * width;
  const auto conv = [&](double out, double in, double side) {
    sum += 2 * out * in * side * side * places;
  };
  const auto block = [&](double out, double in) {
    conv(out, in, 3);
    conv(out, out, 3);
    if (in != out) {
      conv(out, in, 1);
    }
  };
  const double inner = shape.channels.back();
  const auto middle = [&] {
    block(inner, inner);
    for (int map = 0; map < 4; ++map) {
      conv(inner, inner, 1);
    }
    sum += 4 * places * places * inner;
    block(inner, inner);
  };
  std::vector<double> widths(shape.channels.begin(), shape.channels.end());
  if (!encodes) {
    std::reverse(widths.begin(), widths.end());
    places /= SDVaeShape::down * SDVaeShape::down;
  }
  conv(widths.front(), encodes ? SDVaeShape::image_channels : shape.latent, 3);
  if (!encodes) {
    middle();
  }
  double in = widths.front();
  for (std::size_t level = 0; level < widths.size(); ++level) {
    for (int i = 0; i < shape.layers + (encodes ? 0 : 1); ++i) {
      block(widths[level], in);
      in = widths[level];
    }
    if (level + 1 < widths.size()) {
      places *= encodes ? 0.25 : 4;
      conv(in, in, 3);
    }
  }
  if (encodes) {
    middle();
  }
  conv(encodes ? 2 * shape.latent : SDVaeShape::image_channels, in, 3);
  return sum;
}

} // namespace detail

/// A tag of a network with this kind of shape.
template <class Tag, class Shape>
concept WithShape = std::same_as<std::remove_cvref_t<decltype(Tag::shape)>, Shape>;

// network_cost(tag) is found by the type of the tag; an encoder of one's own may have one beside
// it.

namespace detail {

/// What a file of a T5 encoder is called, and what it costs for `tokens` tokens.
inline NetworkCost t5_cost(const T5Shape& shape, std::string_view vocabulary, double tokens) {
  const std::int64_t parameters = count_numbers(t5_tensors(shape));
  const double used = static_cast<double>(parameters) - 1.0 * shape.vocabulary * shape.width;
  return {.file = "model.safetensors, or model.safetensors.index.json with its shards",
          .vocabulary = std::string(vocabulary),
          .parameters = parameters,
          .operations = 2 * tokens * (used + 2.0 * shape.layers * tokens * shape.inner()),
          .activations = transformer_activations(tokens, shape.width, shape.hidden)};
}

} // namespace detail

/// Per prompt of 16 tokens.
template <T5Shape Shape>
NetworkCost network_cost(const T5Facts<Shape>&) {
  using Facts = T5Facts<Shape>;
  return detail::t5_cost(Shape, Facts::vocabulary, Facts::tokens);
}

/// Operations of a prompt of 16 pieces, a class and a few words, since nothing is padded beyond the
/// longest one; memory of the longest that is read.
template <T5Shape Shape>
NetworkCost network_cost(const SentenceT5Facts<Shape>&) {
  using Facts = SentenceT5Facts<Shape>;
  constexpr std::int64_t dense = std::int64_t{Facts::width} * Shape.width;
  NetworkCost cost = detail::t5_cost(Shape, Facts::vocabulary, 16);
  cost.parameters += dense;
  cost.operations += 2.0 * dense;
  cost.activations = detail::transformer_activations(Facts::longest, Shape.width, Shape.hidden);
  return cost;
}

/// Per prompt, padded to all 77 tokens.
template <WithShape<CLIPTextShape> Tag>
NetworkCost network_cost(const Tag&) {
  constexpr CLIPTextShape shape = Tag::shape;
  constexpr double tokens = CLIPTextShape::context;
  constexpr double block = 12.0 * shape.width * shape.width + 2 * tokens * shape.width;
  return {.file = clip_file(shape),
          .vocabulary = std::string(Tag::vocabulary),
          .parameters = detail::count_numbers(clip_text_tensors(shape, {})),
          .operations = 2 * tokens * shape.depth * block,
          .activations = detail::transformer_activations(tokens, shape.width, 4.0 * shape.width)};
}

inline NetworkCost network_cost(MiniLM) {
  using Sizes = MiniLMSizes;
  constexpr double block = 4.0 * Sizes::width * Sizes::width + 2.0 * Sizes::width * Sizes::hidden;
  return {.parameters = detail::count_numbers(minilm_tensors()),
          .operations = 2.0 * MiniLM::tokens * Sizes::layers * block,
          .activations =
              detail::transformer_activations(MiniLM::tokens, Sizes::width, Sizes::hidden)};
}

/// Per image.
template <WithShape<DINOv2Shape> Tag>
NetworkCost network_cost(const Tag&) {
  constexpr DINOv2Shape shape = Tag::shape;
  return {.file = dinov2_file(shape),
          .parameters = detail::count_numbers(dinov2_tensors(shape, {})),
          .operations = shape.operations(Tag::tokens),
          .activations =
              detail::transformer_activations(Tag::tokens + 1, shape.width, shape.hidden())};
}

/// Per image.
template <WithShape<DINOv3Shape> Tag>
NetworkCost network_cost(const Tag&) {
  constexpr DINOv3Shape shape = Tag::shape;
  constexpr int tokens = 1 + DINOv3Shape::registers + Tag::tokens;
  return {.file = dinov3_file(shape),
          .parameters = detail::count_numbers(dinov3_tensors(shape, {DINOv3Layout::timm})),
          .operations = shape.operations(Tag::tokens),
          .activations = detail::transformer_activations(tokens, shape.width, shape.hidden())};
}

/// Per image.
template <WithShape<CLIPShape> Tag>
NetworkCost network_cost(const Tag&) {
  constexpr CLIPShape shape = Tag::shape;
  return {.file = clip_file(shape),
          .parameters = detail::count_numbers(clip_tensors(shape, {})),
          .operations = shape.operations(Tag::tokens),
          .activations =
              detail::transformer_activations(Tag::tokens + 1, shape.width, 4.0 * shape.width)};
}

/// Per image.
template <WithShape<SigLIPShape> Tag>
NetworkCost network_cost(const Tag&) {
  constexpr SigLIPShape shape = Tag::shape;
  const SigLIPNames names{{CLIPLayout::transformers, ""}};
  return {.file = "model.safetensors",
          .parameters = detail::count_numbers(siglip_tensors(shape, names)),
          .operations = shape.operations(Tag::tokens),
          .activations = detail::transformer_activations(Tag::tokens, shape.width, shape.hidden)};
}

namespace detail {

inline NetworkCost vision_transformer_cost(std::string file, const VisionTransformerShape& shape,
                                           int tokens) {
  return {.file = std::move(file),
          .parameters = count_numbers(vision_transformer_tensors(shape, {})),
          .operations = shape.operations(tokens),
          .activations = transformer_activations(tokens + 1, shape.width, 4.0 * shape.width)};
}

} // namespace detail

/// Per image.
template <VisionTransformerShape Shape, int Grid, PositionRule Positions>
NetworkCost network_cost(const MAEFacts<Shape, Grid, Positions>&) {
  return detail::vision_transformer_cost(mae_file(Shape), Shape, Grid * Grid);
}

/// Per image.
template <VisionTransformerShape Shape, int Grid, PositionRule Positions>
NetworkCost network_cost(const MoCoV3Facts<Shape, Grid, Positions>&) {
  return detail::vision_transformer_cost(mocov3_file(Shape), Shape, Grid * Grid);
}

/// 407 million multiply-adds at 224 x 224; Attacher and Evaluator ask for about half that side.
inline NetworkCost efficientnet_lite0_cost() {
  return {.parameters = 4'652'008, .operations = 0.8e9 / 4, .activations = 4 * 112 * 112 * 96.0};
}

template <int Grid>
NetworkCost network_cost(EfficientNetLite0<Grid>) {
  return efficientnet_lite0_cost();
}

inline NetworkCost network_cost(EfficientNetLite0Pool) {
  return efficientnet_lite0_cost();
}

/// 5.7 thousand million multiply-adds at 299 x 299.
template <class Resize>
NetworkCost network_cost(InceptionV3<Resize>) {
  return {.file = "pt_inception-2015-12-05-6726825d.pth",
          .parameters = detail::count_numbers(inception_v3_tensors()),
          .operations = 11.4e9,
          .activations = 4 * 147 * 147 * 160.0};
}

template <class Encoder>
NetworkCost network_cost(WithClassToken<Encoder>) {
  return network_cost(Encoder{});
}

template <class Encoder>
NetworkCost network_cost(DINOv2ClassToken<Encoder>) {
  return network_cost(Encoder{});
}

/// Per image of height x width, and per image back. At its widest the decoder holds about three
/// maps of the second level's channels in full size.
template <WithShape<SDVaeShape> Autoencoder>
NetworkCost codec_cost(Latent<Autoencoder>, int height, int width) {
  constexpr SDVaeShape shape = Autoencoder::shape;
  return {.file = "diffusion_pytorch_model.safetensors of " + std::string(Autoencoder::weights),
          .parameters = detail::count_numbers(sd_vae_tensors(shape, {})),
          .operations = detail::sd_vae_operations(shape, height, width, true),
          .decode_operations = detail::sd_vae_operations(shape, height, width, false),
          .activations = 12.0 * height * width * shape.channels[1]};
}

} // namespace d2c
