// Oracles: dgm-eval's preparation with Pillow, transformers' Dinov2Model on seeded weights, scipy's
// matrix root and loops over pairs, run by tests/reference/dinov2_features.py.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include <catch.hpp>

#include <d2c/core/problem.hpp>
#include <d2c/encoders/dinov2.hpp>
#include <d2c/encoders/dinov2_class_token.hpp>
#include <d2c/evaluate/copies.hpp>
#include <d2c/evaluate/dinov2_features.hpp>
#include <d2c/evaluate/fd_dinov2.hpp>
#include <d2c/evaluate/judged_set.hpp>
#include <d2c/evaluate/measures.hpp>
#include <d2c/evaluate/reference_features.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_encoders {

// The published S, cut to the two blocks that the reference wrote.
struct Shallow : d2c::DINOv2Facts<d2c::DINOv2Shape{.width = 384, .depth = 2}> {
  static constexpr std::string_view name = "Shallow";
};

} // namespace test_encoders

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using Features = DINOv2ClassToken<test_encoders::Shallow>;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/dinov2_features.py wrote to");
  }
  return std::filesystem::path(root) / "dinov2_features";
}

Tensor expected(const std::string& name) {
  static const SafetensorsFile file{folder() / "dinov2_features.safetensors"};
  return to_tensor(file, name);
}

double number(const std::string& name) {
  return expected(name)[0].item<double>();
}

double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

EvaluateConfig config() {
  EvaluateConfig section;
  section.dinov2_weights = (folder() / "dinov2.pth").string();
  section.copy_percentile = 20;
  return section;
}

SetFeatures features_of(const std::string& set) {
  const auto network = make_feature_extractor(Features{}, config(), at::kCPU);
  Progress silent(true);
  return set_features(*network, expected(set), 7, "", silent);
}

} // namespace

TEST_CASE("FD-DINOv2 reference: inputs and class tokens agree") {
  const DINOv2Features network{folder() / "dinov2.pth", Features::encoder::shape, at::kCPU};
  const Tensor some = expected("samples").slice(0, 0, 3);
  // Bytes are equal, so only the rounding of the normalisation is left.
  CHECK((network.prepare(some) - expected("samples.input")).abs().max().item<double>() < 1e-6);
  const Tensor grey = some.slice(1, 0, 1);
  CHECK(at::equal(network.prepare(grey), network.prepare(grey.expand({-1, 3, -1, -1}))));
  CHECK(relative(network.extract(some).moments, expected("samples.token").slice(0, 0, 3)) < 1e-4);
  CHECK_THROWS_WITH(network.extract(at::zeros({1, 3, 8, 8})), Contains("Float"));
  CHECK_THROWS_WITH(network.extract(at::zeros({1, 2, 8, 8}, at::kByte)), Contains("[1, 2, 8, 8]"));
  // A folder of files is the same set.
  const JudgedSet files{folder() / "samples"};
  REQUIRE(files.size() == expected("samples").size(0));
  CHECK(at::equal(files.images(0, files.size()).front(), expected("samples")));
  CHECK(files.name(3) == "003.png");
}

TEST_CASE("FD-DINOv2 reference: the distance and the copy audit agree") {
  JudgedFeatures sets;
  sets.samples = features_of("samples");
  sets.training = features_of("training");
  sets.held_out = features_of("held_out");
  CHECK(relative(sets.samples.neighbours, expected("samples.token")) < 1e-4);

  Judgement out;
  measure(CopyAudit<Features>{}, sets, config(), out);
  const auto found = [&](const char* name) { return out.numbers.at(name).get<double>(); };
  CHECK(found("copies_Shallow") == Approx(number("held_out.share")).epsilon(1e-12));
  CHECK(found("copies_threshold_Shallow") == Approx(number("held_out.threshold")).epsilon(1e-4));
  CHECK(found("copies_chance_Shallow") == 0.2);
  CHECK(at::equal(out.nearest->index, expected("index")));
  CHECK(relative(out.nearest->distance.to(at::kDouble), expected("distance")) < 1e-4);

  const NearCopies within =
      near_copies(sets.samples.neighbours, sets.training.neighbours, Tensor{}, 20);
  CHECK(within.share == Approx(number("training.share")).epsilon(1e-12));
  CHECK(within.threshold == Approx(number("training.threshold")).epsilon(1e-4));

  sets.held_out = sets.training;
  measure(FrechetDistance<Features>{}, sets, config(), out);
  CHECK(number("fd") > 1.0);
  CHECK(found("frechet_Shallow") == Approx(number("fd")).epsilon(1e-4));
  CHECK(found("frechet_training_Shallow") < 1e-4 * number("fd"));
}

TEST_CASE("FD-DINOv2: a missing file or another network is a problem before anything runs") {
  Problems problems;
  EvaluateConfig section;
  check_feature_extractor(DINOv2ClassToken<>{}, section, problems);
  REQUIRE(problems.list().size() == 1);
  CHECK(problems.list()[0].where == "[evaluate] dinov2_weights");
  CHECK_THAT(problems.list()[0].what,
             Contains("dinov2_vitl14_pretrain.pth") && Contains("found no path"));
  CHECK_THROWS_WITH(make_feature_extractor(DINOv2ClassToken<>{}, section, at::kCPU),
                    Contains("evaluate.dinov2_weights"));
  CHECK_THROWS_WITH(make_feature_extractor(DINOv2ClassToken<DINOv2S>{}, config(), at::kCPU),
                    Contains("width 384 with 12 blocks"));
  check_feature_extractor(Features{}, config(), problems);
  CHECK(problems.list().size() == 1);
  check_feature_extractor(DINOv2ClassToken<DINOv2S>{}, config(), problems);
  REQUIRE(problems.list().size() == 2);
  CHECK_THAT(problems.list()[1].what, Contains("width 384 with 12 blocks"));
}
