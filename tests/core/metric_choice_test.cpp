// Which metrics a name stands for, what they look at, and which DINOv2 a file holds. Oracles: lists
// written out by hand, and the published shapes.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/core.hpp>
#include <d2c/encoders/dinov2_shape_of.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/metric_choice.hpp>

namespace test_metrics {

struct Everything {
  using role = d2c::roles::metric;
  using features = d2c::InceptionV3<>;
  static constexpr std::string_view name = "Everything";
};

} // namespace test_metrics

namespace {

using namespace d2c;
using Catch::Matchers::Contains;

std::string names(const std::vector<NamedMetric>& metrics) {
  std::string text;
  for (const NamedMetric& metric : metrics) {
    text += std::string(metric.name) + " ";
  }
  return text;
}

} // namespace

TEST_CASE("metric choice: defaults are what each evaluator prints, in the order of the table") {
  CHECK(names(chosen_metrics({}, EvaluatorConvention::adm)) == "fid sfid is precision recall ");
  CHECK(names(chosen_metrics({}, EvaluatorConvention::torch_fidelity)) ==
        "fid is kid "); // its default precision and recall are on VGG-16
  CHECK(names(chosen_metrics({"recall", "precision"}, EvaluatorConvention::torch_fidelity)) ==
        "precision recall ");
  CHECK(names(chosen_metrics({}, EvaluatorConvention::pytorch_fid)) == "fid ");
  CHECK(names(chosen_metrics({"copies", "kid", "fid", "kid"}, EvaluatorConvention::adm)) ==
        "fid kid copies ");
}

TEST_CASE("metric choice: a name that is none, or none of the convention's, is refused") {
  CHECK_THROWS_WITH(chosen_metrics({"fid", "fod"}, EvaluatorConvention::adm),
                    "--metrics: expected some of fid, sfid, is, precision, recall, kid, density, "
                    "coverage, fd-dinov2, copies, found \"fod\"");
  CHECK_THROWS_WITH(chosen_metrics({"sfid"}, EvaluatorConvention::torch_fidelity),
                    Contains("under the convention of torch-fidelity, found \"sfid\""));
  CHECK_THROWS_WITH(
      chosen_metrics({"is"}, EvaluatorConvention::pytorch_fid),
      Contains("expected some of fid, fd-dinov2, copies under the convention of pytorch-fid"));
  for (const char* name : {"adm", "torch-fidelity", "pytorch-fid"}) {
    CHECK(name_of(evaluator_convention(name)) == name);
  }
  CHECK_THROWS_WITH(evaluator_convention("tf"), Contains("--convention") && Contains("\"tf\""));
}

TEST_CASE("feature parts: metrics of the library ask for one part, those of others for all") {
  CHECK(feature_parts_of<FID>() == FeatureParts{.moments = true});
  CHECK(feature_parts_of<SpatialFID>() == FeatureParts{.spatial = true});
  CHECK(feature_parts_of<InceptionScore>() == FeatureParts{.logits = true});
  CHECK(feature_parts_of<KID>() == FeatureParts{.neighbours = true});
  CHECK(feature_parts_of<FDDINOv2>() == FeatureParts{.moments = true});
  CHECK(feature_parts_of<CopyAudit<DINOv2ClassToken<>>>() == FeatureParts{.neighbours = true});
  CHECK(feature_parts_of<test_metrics::Everything>() == all_feature_parts);
  CHECK(text_of(feature_parts_of<FID>() | feature_parts_of<SpatialFID>()) == "moments spatial");
  CHECK(text_of(all_feature_parts) == "moments neighbours spatial logits");
}

TEST_CASE("read sets: scores read samples alone, two-sample metrics no training images") {
  const auto reads = []<class Metric>(Metric) {
    constexpr ReadSets sets = read_sets_of<Metric>();
    return std::string(sets.held_out ? "h" : "") + (sets.samples ? "s" : "") +
           (sets.training ? "t" : "");
  };
  CHECK(reads(InceptionScore{}) == "s");
  CHECK(reads(ShuffledInceptionScore{}) == "s");
  CHECK(reads(KID{}) == "hs");
  CHECK(reads(PrecisionRecall<InceptionV3<>>{}) == "hs");
  CHECK(reads(DensityCoverage<InceptionV3<>>{}) == "hs");
  CHECK(reads(FID{}) == "hst");
  CHECK(reads(FDDINOv2{}) == "hst");
  CHECK(reads(CopyAudit<EfficientNetLite0Pool>{}) == "hst");
  CHECK(reads(test_metrics::Everything{}) == "hst");
}

TEST_CASE("FD-DINOv2: its metrics are policies of an evaluator under names of their own") {
  STATIC_REQUIRE(FeatureNetwork<DINOv2ClassToken<>>);
  STATIC_REQUIRE(MetricPolicy<FDDINOv2>);
  STATIC_REQUIRE(DINOv2ClassToken<>::width == 1024);
  using Judge = Evaluator<FID, FDDINOv2, CopyAudit<DINOv2ClassToken<DINOv2SRegisters>>>;
  CHECK(Judge::name() == "Evaluator<FID, FrechetDistance<DINOv2ClassToken<DINOv2L>>, "
                         "CopyAudit<DINOv2ClassToken<DINOv2SRegisters>>>");
}

TEST_CASE("dinov2: the shape of a network is read from its tensors in every layout") {
  using namespace dinov2_shapes;
  const DINOv2Shape odd{.width = 192, .depth = 3, .registers = 2, .swiglu = true, .positions = 5};
  for (const DINOv2Shape& shape : {S, B, L, g, with_registers(S), with_registers(g), odd}) {
    for (const DINOv2Layout layout :
         {DINOv2Layout::facebook, DINOv2Layout::transformers, DINOv2Layout::timm}) {
      INFO(dinov2_name(shape) << ", layout " << static_cast<int>(layout));
      const auto tensors = dinov2_tensors(shape, {layout, ""});
      std::vector<std::string> found;
      for (const auto& tensor : tensors) {
        found.push_back(tensor.name);
      }
      const auto shape_of = [&](const std::string& name) {
        for (const auto& tensor : tensors) {
          if (tensor.name == name) {
            return tensor.shape;
          }
        }
        return std::vector<std::int64_t>{};
      };
      CHECK(dinov2_shape_of(found, shape_of) == shape);
    }
  }
  const auto none = [](const std::string&) { return std::vector<std::int64_t>{}; };
  CHECK(dinov2_shape_of({"conv1.weight"}, none) == B);
  CHECK(dinov2_name(L) == "DINOv2L");
  CHECK(dinov2_name(B) == "DINOv2");
  CHECK(dinov2_name(with_registers(S)) == "DINOv2SRegisters");
  // A file is not trusted: its extents reach the network's arithmetic.
  const auto with = [](const std::map<std::string, std::vector<std::int64_t>>& tensors) {
    std::vector<std::string> found;
    for (const auto& [name, extents] : tensors) {
      found.push_back(name);
    }
    return dinov2_shape_of(found, [&](const std::string& name) { return tensors.at(name); });
  };
  constexpr std::int64_t huge = std::int64_t{1} << 62;
  for (const std::int64_t width : {huge, std::int64_t{1'000'000'000}, std::int64_t{100},
                                   std::int64_t{32}, std::int64_t{0}, std::int64_t{-64}}) {
    CHECK_THROWS_WITH(with({{"cls_token", {0, 1, width}}, {"mask_token", {1, width}}}),
                      Contains("expected cls_token of a width that is a multiple of 64") &&
                          Contains("found " + std::to_string(width)));
  }
  CHECK_THROWS_WITH(with({{"cls_token", {1, 1, 384}}, {"pos_embed", {1, 1'000'000'000'000, 0}}}),
                    Contains("places in pos_embed, found 999999999999"));
  CHECK_THROWS_WITH(with({{"cls_token", {1, 1, 384}}, {"register_tokens", {1, huge, 0}}}),
                    Contains("tokens in register_tokens, found " + std::to_string(huge)));
  CHECK_FALSE(with({{"cls_token", {1, 1, 384}},
                    {"mask_token", {1, 384}},
                    {"blocks.0.mlp.w12.weight", {huge, 0}},
                    {"blocks.0.mlp.w3.weight", {0, huge}}})
                  .swiglu);
  std::map<std::string, std::vector<std::int64_t>> many{{"cls_token", {1, 1, 384}}};
  for (int block = 0; block < 2000; ++block) {
    many["blocks." + std::to_string(block) + ".norm1.weight"] = {384};
    if (block == 1023) {
      CHECK(with(many).depth == 1024);
    }
  }
  CHECK_THROWS_WITH(with(many), Contains("expected at most 1024 blocks, found 2000"));
  CHECK_THROWS_AS(with(many), InputError);
  CHECK(dinov2_name(odd) == "DINOv2 of width 192 with 3 blocks and 2 registers");
}
