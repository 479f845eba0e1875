// Oracles: torch-fidelity and pytorch-fid on seeded weights in the published layout and the same
// images, and numpy, run by tests/reference/inception.py.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/encoders/inception_v3.hpp>
#include <d2c/encoders/inception_v3_network.hpp>
#include <d2c/evaluate/class_score.hpp>
#include <d2c/evaluate/feature_statistics.hpp>
#include <d2c/evaluate/frechet_distance.hpp>
#include <d2c/evaluate/inception_measures.hpp>
#include <d2c/evaluate/inception_v3_features.hpp>
#include <d2c/evaluate/kernel_distance.hpp>
#include <d2c/evaluate/legacy_permutation.hpp>
#include <d2c/evaluate/manifold_density.hpp>
#include <d2c/evaluate/manifold_overlap.hpp>
#include <d2c/evaluate/measures.hpp>
#include <d2c/evaluate/reference_batch.hpp>
#include <d2c/evaluate/reference_features.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;
using Catch::Matchers::Contains;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/inception.py wrote to");
  }
  return std::filesystem::path(root) / "inception";
}

Tensor expected(const std::string& name) {
  static const SafetensorsFile file{folder() / "inception.safetensors"};
  return to_tensor(file, name);
}

double number(const std::string& name, std::int64_t index = 0) {
  return expected(name)[index].item<double>();
}

double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

EvaluateConfig config() {
  EvaluateConfig section;
  section.inception_weights = (folder() / "inception.pth").string();
  section.kid_subsets = 7;
  section.kid_subset_size = 40;
  return section;
}

/// The features of one set as the stage computes them, some images at a time.
template <class Tag>
SetFeatures features_of(const std::string& set) {
  const auto network = make_feature_extractor(Tag{}, config(), at::kCPU);
  Progress silent(true);
  return set_features(*network, expected(set), 17, "", silent);
}

/// Made once: the network takes its time.
template <class Tag>
const JudgedFeatures& judged() {
  static const JudgedFeatures sets = [] {
    JudgedFeatures made;
    made.samples = features_of<Tag>("samples");
    made.held_out = features_of<Tag>("reference");
    made.training = made.held_out;
    return made;
  }();
  return sets;
}

FeatureMoments moments_of(const Tensor& features) {
  FeatureStatistics statistics;
  statistics.add(features);
  return statistics.moments();
}

} // namespace

TEST_CASE("inception reference: both resizes of an odd picture agree with their libraries") {
  const InceptionV3Network network{WeightsFile{folder() / "inception.pth"}};
  const Tensor odd = expected("odd");
  const Tensor corner = network.prepare(odd, InceptionResize::tensorflow);
  CHECK((corner - expected("odd.tensorflow")).abs().max().item<double>() == 0.0);
  const Tensor centre = network.prepare(odd, InceptionResize::half_pixel);
  CHECK((centre - expected("odd.half_pixel")).abs().max().item<double>() < 1e-6);
  CHECK((centre - corner).abs().max().item<double>() > 0.5); // not the same policy twice
  const Tensor grey = odd.slice(1, 0, 1);
  CHECK(at::equal(network.prepare(grey, InceptionResize::tensorflow),
                  network.prepare(grey.expand({-1, 3, -1, -1}), InceptionResize::tensorflow)));
}

TEST_CASE("inception reference: pooled and spatial features and class scores agree") {
  const auto check = [](const SetFeatures& found, const std::string& set) {
    INFO(set);
    CHECK(relative(found.neighbours, expected(set + ".pool")) < 1e-4);
    CHECK(relative(found.logits, expected(set + ".logits")) < 1e-4);
    const FeatureMoments spatial = moments_of(expected(set + ".spatial"));
    CHECK(relative(found.spatial.mean, spatial.mean) < 1e-4);
    CHECK(relative(found.spatial.covariance, spatial.covariance) < 1e-4);
  };
  check(judged<InceptionV3<>>().samples, "samples");
  check(judged<InceptionV3<>>().held_out, "reference");

  const auto& half = judged<InceptionV3<HalfPixelResize>>();
  CHECK(relative(half.samples.neighbours, expected("samples.half_pixel")) < 1e-4);
  CHECK(relative(half.held_out.neighbours, expected("reference.half_pixel")) < 1e-4);
  CHECK(relative(half.samples.neighbours, expected("samples.pool")) > 1e-3);
}

TEST_CASE("inception reference: spatial features lie row, column, then channel") {
  const auto network = make_feature_extractor(InceptionV3<>{}, config(), at::kCPU);
  const ImageFeatures found = network->extract(expected("samples").slice(0, 0, 3));
  const Tensor wanted = expected("samples.spatial").slice(0, 0, 3);
  CHECK(relative(found.spatial, wanted) < 1e-4);
  const Tensor planes = wanted.view({3, 289, 7}).transpose(1, 2).reshape({3, 2023});
  CHECK(relative(found.spatial, planes) > 0.1);
}

TEST_CASE("inception reference: FID, sFID, Inception score and KID agree with torch-fidelity") {
  const auto& sets = judged<InceptionV3<>>();
  Judgement out;
  measure(FID{}, sets, config(), out);
  measure(SpatialFID{}, sets, config(), out);
  measure(ShuffledInceptionScore{}, sets, config(), out);
  measure(KID{}, sets, config(), out);
  const auto found = [&](const char* name) { return out.numbers.at(name).get<double>(); };
  CHECK(number("fid") > 1.0);
  CHECK(found("fid") == Approx(number("fid")).epsilon(1e-4));
  CHECK(found("fid_training") < 1e-4 * number("fid"));
  CHECK(found("sfid") == Approx(number("sfid")).epsilon(1e-4));
  CHECK(number("isc") > 1.5);
  CHECK(found("shuffled_inception_score") == Approx(number("isc")).epsilon(1e-4));
  CHECK(found("shuffled_inception_score_deviation") == Approx(number("isc", 1)).epsilon(1e-3));
  CHECK(found("kid") == Approx(number("kid")).epsilon(1e-4));
  CHECK(found("kid_deviation") == Approx(number("kid", 1)).epsilon(1e-3));
  CHECK(found("kid") == Approx(number("kid.float")).epsilon(1e-2)); // its sums are in float32
}

TEST_CASE(
    "inception reference: a call of torch-fidelity that names Inception gives these numbers") {
  const auto& sets = judged<InceptionV3<>>();
  Judgement out;
  measure(FID{}, sets, config(), out);
  measure(ShuffledInceptionScore{}, sets, config(), out);
  measure(KID{}, sets, config(), out);
  measure(PrecisionRecall<InceptionV3<>>{}, sets, config(), out);
  const auto found = [&](const char* name) { return out.numbers.at(name).get<double>(); };
  CHECK(found("fid") == Approx(number("call.fid")).epsilon(1e-4));
  CHECK(found("shuffled_inception_score") == Approx(number("call.isc")).epsilon(1e-4));
  CHECK(found("kid") == Approx(number("call.kid")).epsilon(1e-2)); // its sums are in float32
  // Shares of 60 and 52 images, which it has as float32: the counts are the same.
  CHECK(std::lround(60 * found("precision")) == std::lround(60 * number("call.precision")));
  CHECK(std::lround(52 * found("recall")) == std::lround(52 * number("call.recall")));
  CHECK(found("precision") == Approx(number("call.precision")).epsilon(1e-6));
  CHECK(found("recall") == Approx(number("call.recall")).epsilon(1e-6));
}

TEST_CASE("inception reference: the half-pixel FID agrees with pytorch-fid") {
  Judgement out;
  measure(HalfPixelFID{}, judged<InceptionV3<HalfPixelResize>>(), config(), out);
  CHECK(out.numbers.at("half_pixel_fid").get<double>() ==
        Approx(number("pytorch_fid")).epsilon(1e-4));
}

TEST_CASE("inception reference: the same features give the same numbers to more digits") {
  const Tensor samples = expected("samples.pool");
  const Tensor reference = expected("reference.pool");
  const KernelDistance kid = kernel_distance(samples, reference, 7, 40);
  CHECK(kid.mean == Approx(number("kid")).epsilon(1e-9));
  CHECK(kid.deviation == Approx(number("kid", 1)).epsilon(1e-9));
  const ClassScore shuffled = shuffled_class_score(expected("samples.logits"));
  CHECK(shuffled.mean == Approx(number("isc")).epsilon(1e-12));
  CHECK(shuffled.deviation == Approx(number("isc", 1)).epsilon(1e-9));
  const ClassScore consecutive = class_score(expected("samples.logits"), 25);
  CHECK(consecutive.mean == Approx(number("consecutive")).epsilon(1e-12));
  CHECK(consecutive.deviation == Approx(number("consecutive", 1)).epsilon(1e-9));
}

TEST_CASE("inception reference: precision, recall, density and coverage are exact") {
  const Tensor samples = expected("samples.pool");
  const Tensor reference = expected("reference.pool");
  for (const int k : {1, 3, 5}) {
    INFO(k);
    const ManifoldOverlap overlap = manifold_overlap(reference, samples, k);
    const std::string of_overlap = "overlap." + std::to_string(k);
    CHECK(overlap.precision == Approx(number(of_overlap)).epsilon(1e-12));
    CHECK(overlap.recall == Approx(number(of_overlap, 1)).epsilon(1e-12));
    const ManifoldDensity density = manifold_density(reference, samples, k);
    const std::string of_density = "density." + std::to_string(k);
    CHECK(density.density == Approx(number(of_density)).epsilon(1e-12));
    CHECK(density.coverage == Approx(number(of_density, 1)).epsilon(1e-12));
  }
  // torch-fidelity's distances are roots; which are below which is the same.
  const ManifoldOverlap overlap = manifold_overlap(reference, samples, 3);
  CHECK(overlap.precision == Approx(number("prc")).epsilon(1e-6));
  CHECK(overlap.recall == Approx(number("prc", 1)).epsilon(1e-6));
  CHECK(overlap.precision > 0.02);
  CHECK(overlap.precision < 0.98);
}

TEST_CASE("inception reference: permutations are those of numpy's RandomState") {
  LegacyPermutation stream{2020};
  std::vector<std::int64_t> all = stream.next(1000);
  std::vector<std::int64_t> some = stream.next(37);
  some.resize(20);
  all.insert(all.end(), some.begin(), some.end());
  some = stream.next(3);
  all.insert(all.end(), some.begin(), some.end());
  CHECK(at::equal(at::tensor(all, at::kLong), expected("permutations")));
}

TEST_CASE("inception reference: reference batches of numpy are read, and written alike") {
  const ReferenceBatch batch{folder() / "batch.npz"};
  REQUIRE(batch.size() == expected("reference").size(0));
  CHECK(at::equal(batch.images(0, batch.size()), expected("reference")));
  CHECK(at::equal(batch.images(7, 9), expected("reference").slice(0, 7, 9)));
  CHECK_THROWS_WITH(batch.images(50, 53), Contains("batch.npz") && Contains("52 images"));
  const FeatureMoments pool = moments_of(expected("reference.pool"));
  const FeatureMoments spatial = moments_of(expected("reference.spatial"));
  REQUIRE(batch.moments());
  REQUIRE(batch.spatial_moments());
  CHECK(relative(batch.moments()->mean, pool.mean) < 1e-12);
  CHECK(relative(batch.moments()->covariance, pool.covariance) < 1e-6); // stored as float32
  CHECK(relative(batch.spatial_moments()->covariance, spatial.covariance) < 1e-12);

  const d2c_test::ScratchFolder scratch;
  const auto images = [&](std::int64_t begin, std::int64_t end) {
    return batch.images(begin, end);
  };
  write_reference_batch(scratch / "ours.npz", pool, spatial, batch.size(), images);
  const ReferenceBatch ours{scratch / "ours.npz"};
  CHECK(at::equal(ours.images(0, ours.size()), expected("reference")));
  CHECK(at::equal(ours.moments()->covariance, pool.covariance));
  CHECK(at::equal(ours.spatial_moments()->mean, spatial.mean));
}

TEST_CASE("inception reference: half precision and counters of batches load, other files do not") {
  const InceptionV3Network half{WeightsFile{folder() / "half.safetensors"}};
  const Tensor input =
      half.prepare(expected("samples").slice(0, 0, 2), InceptionResize::tensorflow);
  CHECK(relative(half.forward(input).pool, expected("samples.pool").slice(0, 0, 2)) < 0.02);

  const auto read = [] { return InceptionV3Network{WeightsFile{folder() / "torchvision.pth"}}; };
  CHECK_THROWS_WITH(read(), Contains("torchvision.pth") &&
                                Contains("missing Mixed_7c.branch1x1.conv.weight") &&
                                Contains("missing Mixed_7c.branch_pool.bn.running_var") &&
                                Contains("mis-shaped fc.weight, expected [1008, 2048], found "
                                         "[1000, 2048]") &&
                                Contains("unexpected AuxLogits.fc.weight"));
  // The check says the same and reads no value.
  Problems problems;
  EvaluateConfig section = config();
  check_feature_extractor(InceptionV3<>{}, section, problems);
  CHECK(problems.empty());
  section.inception_weights = (folder() / "torchvision.pth").string();
  check_feature_extractor(InceptionV3<HalfPixelResize>{}, section, problems);
  REQUIRE(problems.list().size() == 1);
  CHECK(problems.list()[0].where == "[evaluate] inception_weights");
  CHECK_THROWS_WITH(read(), problems.list()[0].what);
  CHECK_THROWS_WITH(half.prepare(at::zeros({1, 2, 8, 8}, at::kByte), InceptionResize::tensorflow),
                    Contains("[1, 2, 8, 8]"));
  CHECK_THROWS_WITH(half.prepare(at::zeros({1, 3, 8, 8}), InceptionResize::tensorflow),
                    Contains("Float"));
  CHECK_THROWS_WITH(half.forward(at::zeros({1, 3, 299, 298})), Contains("[1, 3, 299, 298]"));
}
