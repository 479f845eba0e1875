// The blocks of frozen vision transformers on a CPU. Oracle: the same blocks by tensor operators,
// in float64.

#include <cstdint>

#include <catch.hpp>

#include <d2c/encoders/vision_transformer_blocks.hpp>

namespace {

using namespace d2c;
using Layers = VisionTransformerLayers;

Layers::Block random_block(std::int64_t width, std::int64_t hidden, bool swiglu, bool scaled) {
  const auto map = [](std::int64_t out, std::int64_t in) {
    return Layers::Affine{at::randn({out, in}, at::kDouble) * 0.15,
                          at::randn({out}, at::kDouble) * 0.3};
  };
  const auto vector = [&](double mean) { return at::randn({width}, at::kDouble) * 0.3 + mean; };
  const auto scale = [&] { return scaled ? vector(0.6) : Tensor{}; };
  return {{vector(1.0), vector(0.0)}, map(3 * width, width),
          map(width, width),          scale(),
          {vector(1.0), vector(0.0)}, map(swiglu ? 2 * hidden : hidden, width),
          map(width, hidden),         scale()};
}

Layers::Block in_float(const Layers::Block& block) {
  const auto one = [](const Tensor& x) { return x.defined() ? x.to(at::kFloat) : x; };
  const auto map = [&](const Layers::Affine& x) {
    return Layers::Affine{one(x.weight), one(x.bias)};
  };
  return {map(block.norm1), map(block.qkv),   map(block.output), one(block.scale1),
          map(block.norm2), map(block.first), map(block.second), one(block.scale2)};
}

} // namespace

TEST_CASE("vision transformer blocks: both paths agree with operators in float64") {
  using Activation = Layers::Activation;
  for (const Activation activation :
       {Activation::gelu, Activation::gelu_tanh, Activation::gelu_quick, Activation::swiglu}) {
    for (const bool causal : {false, true}) {
      INFO("activation " << static_cast<int>(activation) << ", causal " << causal);
      Layers layers{4, 1e-6, activation};
      layers.causal = causal;
      VisionTransformerBlocks automatic{layers};
      VisionTransformerBlocks operators{layers, BlockPath::operators};
      const Tensor x = at::randn({3, 21, 48}, at::kDouble);
      Tensor wanted = x;
      for (int i = 0; i < 2; ++i) {
        const bool swiglu = activation == Activation::swiglu;
        const Layers::Block block = random_block(48, 104, swiglu, i == 0);
        wanted = layers.run(block, wanted);
        automatic.add(in_float(block));
        operators.add(in_float(block));
      }
      // Sums of at most 104 terms, in two blocks after each other: 104 roundings of 6e-8 in each.
      for (const auto* blocks : {&automatic, &operators}) {
        const Tensor found = blocks->run(x.to(at::kFloat));
        CHECK(((found - wanted).abs().max() / wanted.abs().max()).item<double>() < 2e-5);
      }
    }
  }
}
