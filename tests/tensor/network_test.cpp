#include <catch.hpp>

#include <d2c/models/diffusion_transformer.hpp>

using namespace d2c;

namespace {

NetworkShape quick_shape() {
  NetworkShape shape;
  shape.size = {2, 32, 2, 4};
  shape.channels = 1;
  shape.height = shape.width = 28;
  shape.classes = 10;
  return shape;
}

} // namespace

TEST_CASE("network: a fresh network predicts exactly zero and adaLN learns first") {
  DiffusionTransformer network(quick_shape(), at::kCPU, 7);
  const auto x = at::randn({3, 1, 28, 28});
  const auto t = at::rand({3});
  const auto labels = at::tensor({1, 2, 10}, at::kLong);
  const auto out = network.forward(x, t, {labels, {}}).prediction;
  CHECK(out.sizes() == x.sizes());
  CHECK(out.abs().max().item<float>() == 0.0f);
  (out - x).square().mean().backward();
  auto& table = network.parameters();
  CHECK(table.gradient("final_layer.linear.weight").abs().max().item<float>() > 0.0f);
  CHECK(table.leaf("final_layer.linear.weight").grad().data_ptr() ==
        table.gradient("final_layer.linear.weight").data_ptr());
  table.zero_gradients();
  CHECK(table.gradients().abs().max().item<float>() == 0.0f);
}
