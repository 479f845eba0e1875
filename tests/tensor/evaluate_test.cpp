// The evaluating stage end to end with a feature network of the test's own: features are pixels, so
// every number can be found by hand.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <csignal>

#include <catch.hpp>
#include <child_process.hpp>
#include <nlohmann/json.hpp>
#include <stage_bench.hpp>

#include <d2c/app/stage_store.hpp>
#include <d2c/core/artifact.hpp>
#include <d2c/data/pixel_content.hpp>
#include <d2c/data/pixels_codec.hpp>
#include <d2c/evaluate/reference_batch.hpp>
#include <d2c/evaluate/run_evaluator.hpp>
#include <d2c/select/subset_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_features {

using d2c::Tensor;

inline int extracted = 0;        // images seen by the network
inline int calls_until_kill = 0; // of the network; 0: never

struct FirstPixel {
  static constexpr d2c::fixed_string text = "FirstPixel";
  static constexpr std::string_view name = text;
  static constexpr int width = 1;
};

inline constexpr d2c::PublishedMoments archived{d2c::InceptionResize::tensorflow, 1, 2};

// The same as a network whose moments archives may hold.
struct ArchivedPixel {
  static constexpr d2c::fixed_string text = "ArchivedPixel";
  static constexpr std::string_view name = text;
  static constexpr int width = 1;
  static constexpr d2c::PublishedMoments published_moments = archived;
};

struct FirstPixelExtractor : d2c::FeatureExtractor {
  std::filesystem::path weights;
  bool published = false;

  std::optional<d2c::PublishedMoments> published_moments() const override {
    return published ? std::optional{archived} : std::nullopt;
  }

  d2c::ImageFeatures extract(const Tensor& images) const override {
    extracted += static_cast<int>(images.size(0));
    if (calls_until_kill > 0 && --calls_until_kill == 0) {
      std::raise(SIGKILL);
    }
    const Tensor first = images.flatten(1).slice(1, 0, 1).to(at::kFloat);
    return {first, first};
  }

  std::filesystem::path file() const override { return weights; }
};

inline std::unique_ptr<d2c::FeatureExtractor>
make_feature_extractor(FirstPixel, const d2c::EvaluateConfig& config, at::Device) {
  auto network = std::make_unique<FirstPixelExtractor>();
  network->weights = config.feature_weights;
  return network;
}

inline std::unique_ptr<d2c::FeatureExtractor>
make_feature_extractor(ArchivedPixel, const d2c::EvaluateConfig& config, at::Device) {
  auto network = std::make_unique<FirstPixelExtractor>();
  network->weights = config.feature_weights;
  network->published = true;
  return network;
}

inline void check_feature_extractor(ArchivedPixel, const d2c::EvaluateConfig&, d2c::Problems&) {}

inline void check_feature_extractor(FirstPixel, const d2c::EvaluateConfig&, d2c::Problems&) {}

// A metric of a user's own.
struct MeanFeature {
  using role = d2c::roles::metric;
  using features = FirstPixel;
  static constexpr std::string_view name = "MeanFeature";
};

inline void measure(MeanFeature, const d2c::JudgedFeatures& sets, const d2c::EvaluateConfig&,
                    d2c::Judgement& out) {
  out.numbers["mean"] = sets.samples.moments.mean[0].item<double>();
}

// One that looks at samples alone.
struct SampleMean : MeanFeature {
  static constexpr d2c::ReadSets reads{.held_out = false, .training = false};
  static constexpr std::string_view name = "SampleMean";
};

inline void measure(SampleMean, const d2c::JudgedFeatures& sets, const d2c::EvaluateConfig&,
                    d2c::Judgement& out) {
  out.numbers["sample_mean"] = sets.samples.moments.mean[0].item<double>();
}

} // namespace test_features

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using test_features::FirstPixel;
using Judge = Evaluator<FrechetDistance<FirstPixel>, PrecisionRecall<FirstPixel>,
                        CopyAudit<FirstPixel>, test_features::MeanFeature>;

ImageSet line(Split split) {
  const std::vector<std::uint8_t> values = split == Split::train
                                               ? std::vector<std::uint8_t>{0, 100, 200, 250}
                                               : std::vector<std::uint8_t>{1, 98, 203, 104, 5};
  ImageSet images;
  images.channels = images.height = images.width = 1;
  images.class_names = {"only"};
  images.origin = "a line";
  images.pixels = values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    images.labels.push_back(0);
    images.ids.push_back((split == Split::train ? "train/" : "test/") + std::to_string(i));
  }
  return images;
}

struct Fixture : d2c_test::StageBench {
  Fixture() : StageBench(line) {
    make_folders("evaluate-0", "select", "sample");
    write_subset(folder / "select" / "subset.csv",
                 {{"train/0", "", 0, 0}, {"train/1", "", 0, 1}, {"train/2", "", 0, 2}});
    samples(at::tensor({100, 3, 150, 201}, at::kByte).view({4, 1, 1, 1}));
    std::ofstream{folder / "weights"} << "w";
    context.artifacts.set(Subset::name, folder / "select");
    context.artifacts.set(Samples::name, folder / "sample");
    EvaluateConfig config;
    config.feature_weights = (folder / "weights").string();
    config.neighbours = 1;
    config.copy_percentile = 25;
    config.batch = 2;
    sections.set(config);
    test_features::extracted = 0;
  }

  void samples(const Tensor& values) const {
    save_tensors(folder / "sample" / "samples.safetensors",
                 {{"images", values}, {"labels", at::zeros({values.size(0)}, at::kLong)}});
  }

  [[nodiscard]] nlohmann::json metrics() const {
    std::ifstream in{context.out / "metrics.json"};
    return nlohmann::json::parse(in);
  }
};

} // namespace

TEST_CASE("evaluate: numbers on a line, by hand") {
  Fixture fixture;
  run_stage(Judge{}, fixture.context);
  const auto metrics = fixture.metrics();
  // One dimension: the distance is (difference of means)^2 + (difference of deviations)^2.
  const double held_mean = (1 + 98 + 203 + 104 + 5) / 5.0;
  const double held_variance =
      (1 + 98 * 98 + 203 * 203 + 104 * 104 + 25 - 5 * held_mean * held_mean) / 4.0;
  const double made_mean = (100 + 3 + 150 + 201) / 4.0;
  const double made_variance =
      (100 * 100 + 9 + 150 * 150 + 201 * 201 - 4 * made_mean * made_mean) / 3.0;
  const double shift = made_mean - held_mean;
  const double spread = std::sqrt(made_variance) - std::sqrt(held_variance);
  CHECK(metrics["frechet"].get<double>() == Approx(shift * shift + spread * spread));
  CHECK(metrics["mean"].get<double>() == Approx(made_mean));
  // Radii of the held out: 1: 4, 98: 6, 203: 99, 104: 6, 5: 4. Samples 100, 3, 201 and 150 (53 from
  // 203) are covered. Radii of the samples: 100: 50, 3: 97, 150: 50, 201: 51: all are covered.
  CHECK(metrics["precision"].get<double>() == 1.0);
  CHECK(metrics["recall"].get<double>() == 1.0);
  // Held-out distances to 0, 100, 200: 1 2 3 4 5, 25th percentile 2. Samples: 0, 3, 50, 1.
  CHECK(metrics["copies_threshold"].get<double>() == Approx(2.0));
  CHECK(metrics["copies"].get<double>() == Approx(0.5));
  CHECK(metrics["images"] == 3);
  CHECK(metrics["samples"] == 4);
  CHECK(metrics["held_out"] == 5);
  CHECK(metrics["features"][0]["name"] == "FirstPixel");

  const SafetensorsFile neighbours{fixture.context.out / "neighbours.safetensors"};
  CHECK(neighbours.values<std::uint8_t>("samples") == std::vector<std::uint8_t>{100, 201, 3, 150});
  CHECK(neighbours.values<float>("distances") == std::vector<float>{0, 1, 3, 50});
  CHECK(neighbours.values<std::uint8_t>("nearest")[1] == 200);
}

TEST_CASE("evaluate: features of held-out images are computed once for all arms") {
  Fixture fixture;
  run_stage(Judge{}, fixture.context);
  CHECK(test_features::extracted == 5 + 4 + 3);
  const auto first = fixture.metrics();
  fixture.context.out = fixture.folder / "evaluate-1";
  std::filesystem::create_directories(fixture.context.out);
  run_stage(Judge{}, fixture.context);
  CHECK(test_features::extracted == 5 + 2 * (4 + 3));
  CHECK(fixture.metrics() == first);

  // A damaged cache is no cache; other weights are other features.
  for (const auto& entry : std::filesystem::directory_iterator{fixture.folder.path()}) {
    if (entry.path().filename().string().starts_with("features-")) {
      std::filesystem::resize_file(entry.path(), 20);
    }
  }
  run_stage(Judge{}, fixture.context);
  CHECK(test_features::extracted == 2 * 5 + 3 * (4 + 3));
  CHECK(fixture.metrics() == first);
  std::ofstream{fixture.folder / "weights"} << "other";
  run_stage(Judge{}, fixture.context);
  CHECK(test_features::extracted == 3 * 5 + 4 * (4 + 3));
}

TEST_CASE(
    "evaluate: an archive may stand for the held-out images, with its moments where they are its "
    "network's") {
  Fixture fixture;
  run_stage(Judge{}, fixture.context);
  const auto held_out = fixture.metrics();
  // The same images as an archive: the numbers are the same.
  auto config = fixture.sections.get<EvaluateConfig>();
  config.reference = (fixture.folder / "batch.npz").string();
  fixture.sections.set(config);
  const auto write = [&](double mean) {
    const Tensor values = at::tensor({1, 98, 203, 104, 5}, at::kByte).view({5, 1, 1, 1});
    write_reference_batch(
        config.reference, {at::full({1}, mean, at::kDouble), at::ones({1, 1}, at::kDouble), 0}, {},
        5, [&](std::int64_t begin, std::int64_t end) { return values.slice(0, begin, end); });
  };
  write(7);
  const auto judge = [&](const std::string& out) {
    fixture.context.out = fixture.folder / out;
    std::filesystem::create_directories(fixture.context.out);
    run_stage(Judge{}, fixture.context);
    return fixture.metrics();
  };
  const auto first = judge("evaluate-1");
  for (const char* name : {"frechet", "precision", "recall", "copies_threshold", "held_out"}) {
    CHECK(first.at(name) == held_out.at(name));
  }
  CHECK(first.at("reference") == "batch.npz");
  // Its features are kept like the others.
  const int before = test_features::extracted;
  CHECK(judge("evaluate-2") == first);
  CHECK(test_features::extracted == before + 4 + 3);
  // A network that says so takes the stored moments: mean 7, variance 1.
  test_features::FirstPixelExtractor network;
  network.published = true;
  Progress silent(true);
  const ReferenceBatch batch{config.reference};
  const SetFeatures found = set_features(network, batch, 2, "", silent);
  CHECK(found.moments.mean.item<double>() == 7.0);
  CHECK(found.neighbours.size(0) == 5);

  Problems problems;
  config.reference = "nowhere.npz";
  fixture.sections.set(config);
  check_stage(Judge{}, fixture.context, problems);
  REQUIRE(problems.list().size() == 1);
  CHECK_THAT(problems.text(), Contains("[evaluate] reference") && Contains("nowhere.npz"));
}

TEST_CASE("evaluate: an archive of moments alone judges by moments, and by nothing else") {
  using test_features::ArchivedPixel;
  Fixture fixture;
  auto config = fixture.sections.get<EvaluateConfig>();
  config.reference = (fixture.folder / "moments.npz").string();
  fixture.sections.set(config);
  write_reference_batch(config.reference,
                        {at::full({1}, 90.0, at::kDouble), at::full({1, 1}, 49.0, at::kDouble), 0},
                        {}, 0, [](std::int64_t, std::int64_t) { return Tensor{}; });
  const auto problems_of = [&](const auto& stage) {
    Problems problems;
    check_stage(stage, fixture.context, problems);
    return problems.text();
  };
  using ByMoments = Evaluator<FrechetDistance<ArchivedPixel>, test_features::SampleMean>;
  CHECK(problems_of(ByMoments{}).empty());
  run_stage(ByMoments{}, fixture.context);
  // Samples 100, 3, 150, 201 against mean 90 and deviation 7.
  const double mean = 454 / 4.0;
  const double variance = (100 * 100 + 9 + 150 * 150 + 201 * 201 - 4 * mean * mean) / 3.0;
  const double spread = std::sqrt(variance) - 7;
  CHECK(fixture.metrics().at("frechet").get<double>() ==
        Approx((mean - 90) * (mean - 90) + spread * spread).epsilon(1e-9));
  CHECK(fixture.metrics().at("held_out") == 0);
  CHECK(test_features::extracted == 4 + 3 + 4);
  // Neighbours are among images, and moments of another network are none.
  const std::string place = "[evaluate] reference: " + config.reference +
                            ": expected images (arr_0) for the asked features ";
  CHECK(problems_of(Evaluator<PrecisionRecall<ArchivedPixel>>{}) ==
        place + "(neighbours), found moments alone");
  CHECK(problems_of(Evaluator<FrechetDistance<FirstPixel>>{}) ==
        place + "(moments), found moments alone");
  CHECK_THROWS_WITH(run_stage(Evaluator<FrechetDistance<FirstPixel>>{}, fixture.context),
                    Contains("expected images (arr_0)"));
  d2c_test::written(config.reference, "no archive");
  CHECK_THAT(problems_of(ByMoments{}), Contains("[evaluate] reference: " + config.reference));
}

TEST_CASE("evaluate: sets that are too small for a metric are found by check") {
  Fixture fixture;
  auto config = fixture.sections.get<EvaluateConfig>();
  config.neighbours = 4;
  config.density_neighbours = 3;
  config.reference = (fixture.folder / "batch.npz").string();
  fixture.sections.set(config);
  SampleConfig sample;
  sample.images_per_class = 2;
  fixture.sections.set(sample);
  fixture.facts.classes = 2;
  const auto image = [](std::int64_t begin, std::int64_t end) {
    return at::zeros({end - begin, 3, 1, 1}, at::kByte);
  };
  write_reference_batch(config.reference, {at::zeros({1}, at::kDouble), at::ones({1, 1}), 0}, {}, 3,
                        image);
  Problems problems;
  check_stage(Evaluator<PrecisionRecall<FirstPixel>, DensityCoverage<FirstPixel>>{},
              fixture.context, problems);
  CHECK(problems.text() ==
        "[evaluate] neighbours: expected at least 5 samples (classes x [sample] images_per_class) "
        "for "
        "PrecisionRecall<FirstPixel>, found 4\n"
        "[evaluate] neighbours: expected at least 5 images in [evaluate] reference for "
        "PrecisionRecall<FirstPixel>, found 3\n"
        "[evaluate] density_neighbours: expected at least 4 images in [evaluate] reference for "
        "DensityCoverage<FirstPixel>, found 3");
  const LeastImages kid = least_images(KID{}, config);
  CHECK(kid.samples == 1000);
  CHECK(kid.held_out == 1000);
  CHECK(least_images(ShuffledInceptionScore{}, config).samples == 10);
  CHECK(least_images(FID{}, config).samples == 0);
}

TEST_CASE("evaluate: mapped images have the features and the key of the same images in memory") {
  const test_features::FirstPixelExtractor network;
  const ImageSet memory = line(Split::test);
  ImageSet mapped = memory;
  mapped.pixels.clear();
  for (std::int64_t i = 0; i < memory.size(); ++i) {
    mapped.places.push_back(memory.image(i));
  }
  Progress silent(true);
  const SetFeatures expected = set_features(network, memory, 2, "", silent);
  const SetFeatures found = set_features(network, mapped, 2, "", silent);
  CHECK(at::equal(found.neighbours, expected.neighbours));
  CHECK(at::equal(found.moments.covariance, expected.moments.covariance));
  CHECK(expected.neighbours.flatten()[2].item<float>() == 203);

  const auto key = [&](const ImageSet& set) {
    return features_key("FirstPixel", "hash", 32, pixel_content(set), at::kCPU);
  };
  ImageSet changed = mapped;
  changed.places[3] = memory.image(0);
  CHECK(key(memory) == key(mapped));
  CHECK(key(changed) != key(mapped));
  changed.content = mapped.content = "hash of all";
  CHECK(key(changed) == key(mapped));
  mapped.content = "another";
  CHECK(key(changed) != key(mapped));
}

TEST_CASE("evaluate: features of another device, of other weights or images are others") {
  const std::string weights = "hash";
  const std::string images = pixel_content(line(Split::test));
  const at::Device gpu{at::kCUDA, 0};
  at::globalContext().setAllowTF32CuDNN(false);
  std::set<std::string> keys{
      features_key("A", weights, 64, images, at::kCPU),
      features_key("B", weights, 64, images, at::kCPU),
      features_key("A", "another", 64, images, at::kCPU),
      features_key("A", weights, 96, images, at::kCPU),
      features_key("A", weights, 64, pixel_content(line(Split::train)), at::kCPU),
      features_key("A", weights, 64, images, gpu)};
  CHECK(keys.size() == 6);
  CHECK_FALSE(keys.insert(features_key("A", weights, 64, images, {at::kCUDA, 1})).second);
  at::globalContext().setAllowTF32CuDNN(true);
  CHECK(keys.insert(features_key("A", weights, 64, images, gpu)).second);
  at::globalContext().setAllowTF32CuDNN(false);
  CHECK_FALSE(keys.insert(features_key("A", weights, 64, images, at::kCPU)).second);
}

TEST_CASE("evaluate child", "[.]") {
  Fixture fixture;
  fixture.context.out = StageStore(d2c_test::child_folder() / "store").prepare("evaluate", "key");
  test_features::calls_until_kill = d2c_test::child_number();
  run_stage(Judge{}, fixture.context);
}

TEST_CASE("evaluate: killed part way, nothing is taken as done and the next run ends alike") {
  Fixture whole;
  run_stage(Judge{}, whole.context);
  const std::string metrics = d2c_test::content(whole.context.out / "metrics.json");
  const std::string neighbours = d2c_test::content(whole.context.out / "neighbours.safetensors");
  // In the held-out images, the samples and the training images: three, two and two calls.
  for (const int call : {2, 4, 7}) {
    INFO("killed in call " << call << " of the feature network");
    Fixture fixture;
    REQUIRE(
        d2c_test::was_killed(d2c_test::start_child("evaluate child", fixture.folder.path(), call)));
    const StageStore store(fixture.folder / "store");
    const auto out = store.folder("evaluate", "key");
    REQUIRE(std::filesystem::is_directory(out));
    CHECK_FALSE(store.inspect("evaluate", "key").record);
    CHECK(std::filesystem::is_empty(out));
    fixture.context.out = store.prepare("evaluate", "key");
    run_stage(Judge{}, fixture.context);
    // Held-out features that were complete are not computed again.
    CHECK(test_features::extracted == (call > 3 ? 0 : 5) + 4 + 3);
    CHECK(d2c_test::content(out / "metrics.json") == metrics);
    CHECK(d2c_test::content(out / "neighbours.safetensors") == neighbours);
    // Killed between the two files, it writes both again.
    std::filesystem::remove(out / "metrics.json");
    run_stage(Judge{}, fixture.context);
    CHECK(d2c_test::content(out / "metrics.json") == metrics);
    CHECK(d2c_test::content(out / "neighbours.safetensors") == neighbours);
  }
}

TEST_CASE("evaluate: a pipeline that begins with a pack is judged against the pack's images") {
  Fixture fixture;
  run_stage(Judge{}, fixture.context);
  const auto from_subset = fixture.metrics();
  std::filesystem::remove(fixture.folder / "select" / "subset.csv");
  save_tensors(fixture.folder / "select" / PackFile::file_name,
               {{"labels", at::zeros({3}, at::kLong)},
                {"images", at::tensor({0, 100, 200}, at::kByte).view({3, 1, 1, 1})}});
  fixture.context.artifacts.set(CondensedPack::name, fixture.folder / "select");
  run_stage(Judge{}, fixture.context);
  CHECK(fixture.metrics() == from_subset);
}

TEST_CASE("evaluate: numbers of several networks stand side by side, none over another") {
  CHECK(number_name<EfficientNetLite0Pool>("precision") == "precision");
  CHECK(number_name<InceptionV3<>>("precision") == "precision");
  CHECK(number_name<InceptionV3<HalfPixelResize>>("precision") == "precision_half_pixel");
  CHECK(number_name<DINOv2ClassToken<>>("copies") == "copies_dinov2");
  CHECK(number_name<DINOv2ClassToken<DINOv2SRegisters>>("copies") == "copies_DINOv2SRegisters");
  // FD-DINOv2 is the distance on ViT-L/14; others are named after their encoder.
  JudgedFeatures sets;
  const FeatureMoments moments{at::zeros({1}, at::kDouble), at::ones({1, 1}, at::kDouble), 9};
  sets.samples.moments = sets.held_out.moments = sets.training.moments = moments;
  Judgement out;
  measure(FDDINOv2{}, sets, {}, out);
  measure(FrechetDistance<DINOv2ClassToken<DINOv2S>>{}, sets, {}, out);
  measure(FrechetDistance<DINOv2ClassToken<DINOv2>>{}, sets, {}, out);
  for (const char* name : {"fd_dinov2", "fd_dinov2_training", "frechet_DINOv2S",
                           "frechet_training_DINOv2S", "frechet_DINOv2"}) {
    CHECK(out.numbers.contains(name));
  }
  CHECK(out.numbers.size() == 6);

  // Two networks without a suffix: refused by check, and never written over.
  Fixture fixture;
  using test_features::ArchivedPixel;
  using Twice = Evaluator<PrecisionRecall<FirstPixel>, PrecisionRecall<ArchivedPixel>>;
  Problems problems;
  check_stage(Twice{}, fixture.context, problems);
  CHECK_THAT(problems.text(), Contains("[evaluate]: expected every number of one metric, found "
                                       "\"precision\" of PrecisionRecall<FirstPixel> and of "
                                       "PrecisionRecall<ArchivedPixel>"));
  CHECK_THROWS_AS(run_stage(Twice{}, fixture.context), Failure);
  CHECK_THROWS_WITH(run_stage(Twice{}, fixture.context),
                    Contains("\"precision\"") &&
                        Contains("PrecisionRecall<ArchivedPixel> writes it"));
  CHECK_FALSE(std::filesystem::exists(fixture.context.out / "metrics.json"));
}

TEST_CASE("evaluate: only the sets that a metric reads go through the network") {
  Fixture fixture;
  run_stage(Evaluator<test_features::SampleMean>{}, fixture.context);
  CHECK(test_features::extracted == 4);
  CHECK(fixture.metrics().at("sample_mean").get<double>() == Approx(454 / 4.0));
  run_stage(Evaluator<PrecisionRecall<FirstPixel>, test_features::SampleMean>{}, fixture.context);
  CHECK(test_features::extracted == 4 + 5 + 4);
  run_stage(Evaluator<FrechetDistance<FirstPixel>>{}, fixture.context);
  CHECK(test_features::extracted == 4 + 5 + 4 + 5 + 4 + 3);
}

TEST_CASE("evaluate: latents of a pack are decoded a batch at a time") {
  /// Latents x become images x + 1.
  struct NextPixel : PixelsCodec {
    mutable std::int64_t most = 0;

    Tensor decode(const Tensor& latents) const override {
      most = std::max(most, latents.size(0));
      return (latents + 1).to(at::kByte);
    }
  } codec;

  Fixture fixture;
  run_stage(Judge{}, fixture.context);
  const auto from_subset = fixture.metrics();
  const std::string neighbours = d2c_test::content(fixture.context.out / "neighbours.safetensors");
  std::filesystem::remove(fixture.folder / "select" / "subset.csv");
  save_tensors(fixture.folder / "select" / PackFile::file_name,
               {{"labels", at::zeros({3}, at::kLong)},
                {"latents", at::tensor({-1.0F, 99.0F, 199.0F}).view({3, 1, 1, 1})}});
  fixture.context.artifacts.set(CondensedPack::name, fixture.folder / "select");
  StageContext context{.out = fixture.context.out,
                       .artifacts = fixture.context.artifacts,
                       .sections = fixture.sections,
                       .facts = fixture.facts,
                       .images = fixture.images,
                       .codec = codec,
                       .device = "cpu",
                       .progress = fixture.progress};
  run_stage(Judge{}, context);
  CHECK(fixture.metrics() == from_subset);
  CHECK(d2c_test::content(context.out / "neighbours.safetensors") == neighbours);
  CHECK(codec.most == 2); // [evaluate] batch
}

TEST_CASE("evaluate: samples of another size are refused in one sentence") {
  Fixture fixture;
  fixture.samples(at::zeros({4, 1, 2, 2}, at::kByte));
  CHECK_THROWS_WITH(run_stage(Judge{}, fixture.context), Contains("samples.safetensors") &&
                                                             Contains("[1, 1, 1]") &&
                                                             Contains("[4, 1, 2, 2]"));
  CHECK(std::filesystem::is_empty(fixture.context.out));
}

TEST_CASE("evaluate: check names every problem of the section at once") {
  Fixture fixture;
  EvaluateConfig config;
  config.feature_weights = "/nonexistent/w.pth";
  config.resolution = 8;
  config.neighbours = 0;
  config.copy_percentile = 101;
  config.batch = 0;
  fixture.sections.set(config);
  Problems problems;
  check_stage(Evaluator<CopyAudit<EfficientNetLite0Pool>>{}, fixture.context, problems);
  CHECK(problems.list().size() == 5);
  CHECK_THAT(problems.text(), Contains("/nonexistent/w.pth") && Contains("resolution") &&
                                  Contains("neighbours") && Contains("copy_percentile") &&
                                  Contains("batch"));
}
