#pragma once
/// What frozen networks cost, from their types alone: parameters, arithmetic, memory. What describe
/// lists and plan counts. Torch-free.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include <d2c/data/latent.hpp>
#include <d2c/data/sd_vae_tensors.hpp>
#include <d2c/encoders/dinov2_class_token.hpp>
#include <d2c/encoders/dinov2_tensors.hpp>
#include <d2c/encoders/dinov3_tensors.hpp>
#include <d2c/encoders/efficientnet_lite0.hpp>
#include <d2c/encoders/efficientnet_lite0_pool.hpp>
#include <d2c/encoders/inception_v3.hpp>
#include <d2c/encoders/inception_v3_tensors.hpp>
#include <d2c/encoders/minilm.hpp>
#include <d2c/encoders/t5.hpp>
#include <d2c/encoders/t5_tensors.hpp>
#include <d2c/encoders/with_class_token.hpp>

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

template <class Tensor>
std::int64_t count_numbers(const std::vector<Tensor>& tensors) {
  std::int64_t sum = 0;
  for (const Tensor& tensor : tensors) {
    sum += tensor.count();
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

// network_cost(tag) is found by the type of the tag; an encoder of one's own may have one beside
// it.

/// Per prompt of 16 tokens. A tag with a T5Shape.
template <class Tag>

  requires std::same_as<std::remove_cvref_t<decltype(Tag::shape)>, T5Shape>
      NetworkCost network_cost(const Tag&) {
    constexpr T5Shape shape = Tag::shape;
    constexpr double tokens = 16;
    const std::int64_t parameters = detail::count_numbers(t5_tensors(shape));
    const double used = static_cast<double>(parameters) - 1.0 * shape.vocabulary * shape.width;
    return {.file = "model.safetensors, or model.safetensors.index.json with its shards",
            .vocabulary = "spiece.model",
            .parameters = parameters,
            .operations = 2 * tokens * (used + 2.0 * shape.layers * tokens * shape.inner()),
            .activations = detail::transformer_activations(tokens, shape.width, shape.hidden)};
  }

inline NetworkCost network_cost(MiniLM) {
  constexpr double block = 4 * 384.0 * 384 + 2 * 384.0 * 1536;
  return {.parameters = 22'565'376,
          .operations = 2 * 16 * 6 * block,
          .activations = detail::transformer_activations(16, 384, 1536)};
}

/// Per image. A tag with a DINOv2Shape.
template <class Tag>

  requires std::same_as<std::remove_cvref_t<decltype(Tag::shape)>, DINOv2Shape>
      NetworkCost network_cost(const Tag&) {
    constexpr DINOv2Shape shape = Tag::shape;
    return {.file = dinov2_file(shape),
            .parameters = detail::count_numbers(dinov2_tensors(shape, {})),
            .operations = shape.operations(Tag::tokens),
            .activations =
                detail::transformer_activations(Tag::tokens + 1, shape.width, shape.hidden())};
  }

/// Per image. A tag with a DINOv3Shape.
template <class Tag>

  requires std::same_as<std::remove_cvref_t<decltype(Tag::shape)>, DINOv3Shape>
      NetworkCost network_cost(const Tag&) {
    constexpr DINOv3Shape shape = Tag::shape;
    constexpr int tokens = 1 + DINOv3Shape::registers + Tag::tokens;
    return {.file = dinov3_file(shape),
            .parameters = detail::count_numbers(dinov3_tensors(shape, {DINOv3Layout::timm})),
            .operations = shape.operations(Tag::tokens),
            .activations = detail::transformer_activations(tokens, shape.width, shape.hidden())};
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

/// Per image. A vision transformer with an MLP of four widths whose shape counts its operations.
template <class Tag>
  requires requires {
    { Tag::shape.operations(1) } -> std::same_as<double>;
    Tag::shape.depth;
    Tag::shape.patch;
    Tag::shape.positions;
    requires !std::same_as<std::remove_cvref_t<decltype(Tag::shape)>, DINOv2Shape>;
  }

NetworkCost network_cost(const Tag&) {
  constexpr auto shape = Tag::shape;
  constexpr std::int64_t width = shape.width;
  constexpr std::int64_t block = 12 * width * width + 13 * width;
  constexpr std::int64_t places = 1 + shape.positions * shape.positions;
  constexpr std::int64_t ends = 3 * shape.patch * shape.patch + places + 4;
  return {.file = "the weights of " + std::string(Tag::name),
          .parameters = shape.depth * block + ends * width,
          .operations = shape.operations(Tag::tokens),
          .activations = detail::transformer_activations(Tag::tokens + 1, width, 4.0 * width)};
}

/// Per image of height x width, and per image back. At its widest the decoder holds about three
/// maps of the second level's channels in full size.
template <class Autoencoder>

  requires std::same_as<std::remove_cvref_t<decltype(Autoencoder::shape)>, SDVaeShape>
      NetworkCost codec_cost(Latent<Autoencoder>, int height, int width) {
    constexpr SDVaeShape shape = Autoencoder::shape;
    return {.file = "diffusion_pytorch_model.safetensors of " + std::string(Autoencoder::weights),
            .parameters = detail::count_numbers(sd_vae_tensors(shape, {})),
            .operations = detail::sd_vae_operations(shape, height, width, true),
            .decode_operations = detail::sd_vae_operations(shape, height, width, false),
            .activations = 12.0 * height * width * shape.channels[1]};
  }

} // namespace d2c
