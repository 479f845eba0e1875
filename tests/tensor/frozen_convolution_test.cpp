// Convolutions whose weights are laid out once, and doubling merged into one. Oracle: LibTorch's
// convolution in float64.

#include <cstdint>
#include <utility>

#include <catch.hpp>

#include <d2c/ops/frozen_convolution.hpp>
#include <d2c/ops/frozen_doubling.hpp>

namespace {

using namespace d2c;

struct Layer {
  Tensor weight;
  Tensor bias;
};

Layer layer(std::int64_t out, std::int64_t in, std::int64_t rows, std::int64_t columns) {
  return {at::randn({out, in, rows, columns}), at::randn({out})};
}

Tensor exact(const Layer& layer, const Tensor& x, at::IntArrayRef stride, at::IntArrayRef padding) {
  return at::conv2d(x.to(at::kDouble), layer.weight.to(at::kDouble), layer.bias.to(at::kDouble),
                    stride, padding);
}

double relative(const Tensor& found, const Tensor& expected) {
  REQUIRE(found.sizes() == expected.sizes());
  return ((found.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
}

} // namespace

TEST_CASE("frozen convolution: any stride, padding, window, size and layout of the input") {
  struct Case {
    Layer layer;
    FrozenConvolution::Geometry geometry;
  };

  for (const Case& one : {Case{layer(8, 5, 3, 3), {{1, 1}, {1, 1}, 16, 16}},
                          Case{layer(7, 16, 1, 1), {{1, 1}, {0, 0}, 4, 4}},
                          Case{layer(9, 3, 3, 3), {{2, 2}, {0, 0}, 64, 64}},
                          Case{layer(6, 4, 1, 7), {{1, 1}, {0, 3}, 17, 17}}}) {
    const FrozenConvolution convolution(one.layer.weight, one.layer.bias, one.geometry);
    for (const std::int64_t side : {9, 16, 31}) {
      for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
        const Tensor x = at::randn({2, one.layer.weight.size(1), side, side}).contiguous(format);
        const Tensor expected = exact(one.layer, x, one.geometry.stride, one.geometry.padding);
        CHECK(relative(convolution(x), expected) < 1e-5);
        CHECK(relative(convolution.relu(x), expected.relu()) < 1e-5);
        Tensor sum = at::ones(expected.sizes()).contiguous(format);
        convolution.add_to(sum, x);
        CHECK(relative(sum, expected + 1) < 1e-5);
      }
    }
  }
}

TEST_CASE("frozen doubling: nearest neighbours and the convolution behind them, edges included") {
  const Layer one = layer(6, 5, 3, 3);
  const FrozenDoubling doubling(one.weight, one.bias, 8);
  for (const auto& [rows, columns] : {std::pair{8, 8}, {1, 1}, {3, 7}}) {
    const Tensor x = at::randn({2, 5, rows, columns});
    const Tensor doubled = at::upsample_nearest2d(x, {2 * rows, 2 * columns});
    CHECK(relative(doubling(x), exact(one, doubled, {1, 1}, {1, 1})) < 1e-5);
  }
}
