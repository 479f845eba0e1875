// The Inception-v3 of FID as lists and types. Oracles: the counts of the published file, and shapes
// written out by hand.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/core.hpp>
#include <d2c/encoders/inception_v3_tensors.hpp>
#include <d2c/models/named_shape.hpp>

namespace {

using namespace d2c;

std::vector<std::int64_t> shape(const std::string& name) {
  for (const NamedShape& tensor : inception_v3_tensors()) {
    if (tensor.name == name) {
      return tensor.shape;
    }
  }
  return {};
}

} // namespace

TEST_CASE("inception: tensors and numbers are those of the published file") {
  CHECK(inception_v3_convolutions().size() == 94);
  const auto tensors = inception_v3_tensors();
  CHECK(tensors.size() == 472);
  std::int64_t all = 0;
  std::int64_t trained = 0;
  for (const NamedShape& tensor : tensors) {
    all += tensor.count();
    trained += tensor.name.find("running_") == std::string::npos ? tensor.count() : 0;
  }
  CHECK(all == 23'885'392);
  CHECK(trained == 23'850'960);
  using Shape = std::vector<std::int64_t>;
  CHECK(shape("Conv2d_1a_3x3.conv.weight") == Shape{32, 3, 3, 3});
  CHECK(shape("Mixed_5b.branch_pool.conv.weight") == Shape{32, 192, 1, 1});
  CHECK(shape("Mixed_6a.branch3x3.conv.weight") == Shape{384, 288, 3, 3});
  CHECK(shape("Mixed_6c.branch7x7_2.conv.weight") == Shape{160, 160, 1, 7});
  CHECK(shape("Mixed_6e.branch7x7dbl_2.conv.weight") == Shape{192, 192, 7, 1});
  CHECK(shape("Mixed_7a.branch7x7x3_4.conv.weight") == Shape{192, 192, 3, 3});
  CHECK(shape("Mixed_7c.branch3x3dbl_3b.conv.weight") == Shape{384, 384, 3, 1});
  CHECK(shape("Mixed_7c.branch3x3dbl_1.bn.running_var") == Shape{448});
  CHECK(shape("fc.weight") == Shape{1008, 2048});
}

TEST_CASE("inception: every branch begins where the one before it ends") {
  // Inside a branch, _2 reads what _1 writes, up to the pairs a and b of the last blocks.
  const auto layers = inception_v3_convolutions();
  for (const InceptionConvolution& layer : layers) {
    const auto bar = layer.name.rfind('_');
    const auto dot = layer.name.find('.');
    if (dot == std::string::npos || bar == std::string::npos || bar < dot) {
      continue;
    }
    const int step = layer.name[bar + 1] - '0';
    if (step < 2 || step > 9) {
      continue;
    }
    const std::string before = layer.name.substr(0, bar + 1) + std::to_string(step - 1);
    const auto found = std::find_if(layers.begin(), layers.end(),
                                    [&](const auto& other) { return other.name == before; });
    INFO(layer.name);
    REQUIRE(found != layers.end());
    CHECK(found->out == layer.in);
  }
}

TEST_CASE("inception: its network and metrics are policies of an evaluator") {
  STATIC_REQUIRE(FeatureNetwork<InceptionV3<>>);
  STATIC_REQUIRE(InceptionV3<>::name == "InceptionV3<TensorFlowResize>");
  STATIC_REQUIRE(InceptionV3<HalfPixelResize>::name == "InceptionV3<HalfPixelResize>");
  STATIC_REQUIRE(MetricPolicy<FID> && MetricPolicy<HalfPixelFID> && MetricPolicy<SpatialFID>);
  STATIC_REQUIRE(MetricPolicy<InceptionScore> && MetricPolicy<ShuffledInceptionScore>);
  STATIC_REQUIRE(MetricPolicy<KID> && MetricPolicy<DensityCoverage<InceptionV3<>>>);
  using Judge = Evaluator<FID, SpatialFID, InceptionScore, PrecisionRecall<InceptionV3<>>>;
  CHECK(Judge::name() == "Evaluator<FID, SpatialFID, InceptionScore, "
                         "PrecisionRecall<InceptionV3<TensorFlowResize>>>");
}
