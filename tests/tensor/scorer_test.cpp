// Oracles: an uninterrupted pass; scores recomputed from the loss matrix by hand.

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>
#include <stage_bench.hpp>

#include <d2c/core/error.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/pixels_codec.hpp>
#include <d2c/diffusion/gvp_path.hpp>
#include <d2c/diffusion/min_snr.hpp>
#include <d2c/diffusion/path_matching.hpp>
#include <d2c/diffusion/predict_data.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/models/dit.hpp>
#include <d2c/models/sit.hpp>
#include <d2c/score/algorithm2.hpp>
#include <d2c/score/run_scorer.hpp>
#include <d2c/score/score_file.hpp>
#include <d2c/score/scorer.hpp>

namespace {

using namespace d2c;

/// A fresh folder, removed at the end.
using Folder = d2c_test::ScratchFolder;

ImageSet pictures(std::int64_t count, int side = 4, int classes = 3) {
  ImageSet set;
  set.channels = 1;
  set.height = set.width = side;
  set.origin = "test pictures";
  for (int c = 0; c < classes; ++c) {
    set.class_names.push_back("class " + std::to_string(c));
  }
  for (std::int64_t i = 0; i < count; ++i) {
    set.labels.push_back(static_cast<std::int32_t>(i % classes));
    set.ids.push_back("train/" + std::to_string(i));
    for (int p = 0; p < side * side; ++p) {
      const auto word =
          philox4x32({static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(p)}, {17, 0})[0];
      set.pixels.push_back(static_cast<std::uint8_t>(word >> 24));
    }
  }
  return set;
}

struct Output {
  Tensor prediction;
  Tensor variance;
};

/// Elementwise, so that no matrix product rounds differently; not a number for one class if asked.
struct Elementwise {
  std::int64_t poisoned_class = -1;

  Output operator()(const Tensor& x, const Tensor& t, const Tensor& labels) const {
    const Tensor v = 0.3 * x + (t + labels.to(at::kFloat)).view({-1, 1, 1, 1});
    return {v.masked_fill(labels.eq(poisoned_class).view({-1, 1, 1, 1}), std::nan("")), {}};
  }
};

/// Fails after some batches, as if the process had been killed there.
class FailingCodec : public PixelsCodec {
public:
  explicit FailingCodec(int batches) : left_{batches} {}

  [[nodiscard]] Tensor encode(const ImageSet& images,
                              std::span<const std::int64_t> indices) const override {
    if (left_-- == 0) {
      throw Failure("stopped here");
    }
    return PixelsCodec::encode(images, indices);
  }

private:
  mutable int left_;
};

std::vector<ScoreColumn> grid(std::int64_t columns) {
  ScoreConfig config;
  config.columns = columns;
  return GridAntithetic::columns(config, 7);
}

void fill(const std::filesystem::path& folder, const ImageSet& images, const Codec& codec,
          const std::vector<ScoreColumn>& columns, std::int64_t batch = 512) {
  Progress quiet(true);
  fill_loss_matrix<FlowMatching>(folder, Elementwise{}, images, codec, columns, at::kCPU, batch,
                                 quiet);
}

template <class Run>
std::string sentence_of(Run run) {
  try {
    run();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "no error";
}

/// What a scorer asks for: sixty images of three classes.
struct Bench : d2c_test::StageBench {
  Bench()
      : StageBench([](Split) { return pictures(60); },
                   {.classes = 3, .latent_channels = 1, .latent_height = 4, .latent_width = 4}) {}
};

ScoreConfig small() {
  ScoreConfig config;
  config.steps = 6;
  config.batch = 8;
  config.warmup = 1;
  config.columns = 4;
  config.batch_images = 32;
  return config;
}

constexpr TransformerSize tiny{.depth = 1, .width = 16, .heads = 1, .patch = 2};

} // namespace

TEST_CASE("scoring pass: an interrupted pass goes on to the same bits") {
  const ImageSet images = pictures(9000);
  const auto columns = grid(4);
  const Folder whole;
  fill(whole.path(), images, PixelsCodec{}, columns);
  const Folder broken;
  // 8 batches a shard: the first process stops in the second shard, the next one in the third.
  CHECK(sentence_of([&] { fill(broken.path(), images, FailingCodec(11), columns); }) ==
        "stopped here");
  CHECK(LossMatrix::open(broken.path()).first_missing(columns, 9000) == 4096);
  CHECK(sentence_of([&] { fill(broken.path(), images, FailingCodec(9), columns); }) ==
        "stopped here");
  CHECK(LossMatrix::open(broken.path()).first_missing(columns, 9000) == 8192);
  fill(broken.path(), images, PixelsCodec{}, columns, 100);
  CHECK(LossMatrix::open(broken.path()).values(columns) ==
        LossMatrix::open(whole.path()).values(columns));
  // A finished matrix is not computed again.
  fill(broken.path(), images, FailingCodec(0), columns);
}

TEST_CASE("scoring pass: added columns leave the old ones alone, even in a half-done matrix") {
  const ImageSet images = pictures(9000);
  const auto few = grid(2);
  auto all = few;
  const auto more = grid(4);
  all.insert(all.end(), more.begin(), more.end());
  const Folder whole;
  fill(whole.path(), images, PixelsCodec{}, all);
  const Folder grown;
  CHECK(sentence_of([&] { fill(grown.path(), images, FailingCodec(9), few); }) == "stopped here");
  fill(grown.path(), images, PixelsCodec{}, all);
  CHECK(LossMatrix::open(grown.path()).values(all) == LossMatrix::open(whole.path()).values(all));
}

TEST_CASE("scoring pass: a loss that is not a number names image and column") {
  const ImageSet images = pictures(40);
  const auto columns = grid(2);
  const Folder folder;
  Progress quiet(true);
  const auto sentence = sentence_of([&] {
    fill_loss_matrix<FlowMatching>(folder.path(), Elementwise{.poisoned_class = 2}, images,
                                   PixelsCodec{}, columns, at::kCPU, 16, quiet);
  });
  CHECK(sentence.find("for image train/2 in column time=0.5 seed=7") != std::string::npos);
  CHECK(LossMatrix::open(folder.path()).rows() == 0);
}

TEST_CASE("scoring pass: a matrix of more images than the data set has is refused") {
  const Folder folder;
  fill(folder.path(), pictures(50), PixelsCodec{}, grid(2));
  const auto sentence =
      sentence_of([&] { fill(folder.path(), pictures(40), PixelsCodec{}, grid(2)); });
  CHECK(sentence.find("at most 40 images, found 50") != std::string::npos);
}

TEST_CASE("scorer: trains, scores, writes the table, and resumes without training again") {
  Bench bench;
  const Scorer<SiT<tiny>> stage;
  auto& context = bench.with(small());
  Problems problems;
  check_stage(stage, context, problems);
  REQUIRE(problems.text().empty());
  run_stage(stage, context);
  const auto columns = GridAntithetic::columns(small(), 5);
  const auto values = LossMatrix::open(bench.folder.path()).values(columns);
  REQUIRE(values.size() == 60 * 4);
  const ScoreFile file(bench.folder.path() / "scores.csv");
  REQUIRE(file.images().size() == 60);
  const ImageSet images = pictures(60);
  for (std::size_t i = 0; i < 60; ++i) {
    const ScoredImage& row = file.images()[i];
    REQUIRE(row.id == images.ids[i]);
    REQUIRE(row.label == images.labels[i]);
    double mean = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      mean += values[4 * i + j] / 4.0;
    }
    REQUIRE(row.score == Approx(mean));
    REQUIRE(row.standard_error >= 0);
  }
  // From the matrix alone: without the trained scorer the second run has nothing to train with but
  // needs nothing either.
  std::filesystem::remove_all(bench.folder.path() / "scorer");
  std::filesystem::remove(bench.folder.path() / "scores.csv");
  run_stage(stage, context);
  CHECK(std::filesystem::exists(bench.folder.path() / "scores.csv"));
  CHECK_FALSE(std::filesystem::exists(bench.folder.path() / "scorer"));
}

TEST_CASE("scorer: a loaded checkpoint gives the scores of the network that was trained") {
  Bench bench;
  auto config = small();
  const Scorer<SiT<tiny>> stage;
  auto& context = bench.with(config);
  run_stage(stage, context);
  config.checkpoint = (bench.folder.path() / "scorer").string();
  Bench other;
  auto& loaded = other.with(config);
  Problems problems;
  check_stage(stage, loaded, problems);
  REQUIRE(problems.text().empty());
  run_stage(stage, loaded);
  const auto columns = GridAntithetic::columns(config, 5);
  CHECK(LossMatrix::open(other.folder.path()).values(columns) ==
        LossMatrix::open(bench.folder.path()).values(columns));
  // With the losses of another objective its answers would be misread.
  Bench third;
  const Scorer<SiT<tiny>, PathMatching<GvpPath>> misread;
  const auto sentence = sentence_of([&] { run_stage(misread, third.with(config)); });
  CHECK(sentence.find("(gvp velocity), found one of \"linear velocity\"") != std::string::npos);
}

TEST_CASE("scorer: any objective scores; velocities of a path are trained at middle times") {
  const auto recipe_of = [](auto stage) {
    Bench bench;
    run_stage(stage, bench.with(small()));
    REQUIRE(ScoreFile(bench.folder.path() / "scores.csv").images().size() == 60);
    return SafetensorsFile(bench.folder.path() / "scorer" / "final.safetensors")
        .metadata()
        .at("recipe");
  };
  using Velocity = PathMatching<GvpPath>;
  using Data = PathMatching<GvpPath, PredictData, MinSnr<5>>;
  CHECK(recipe_of(Scorer<SiT<tiny>, Velocity>{}).find("policy=LogitNormalTime") !=
        std::string::npos);
  CHECK(recipe_of(Scorer<SiT<tiny>, Data>{}).find("policy=UniformTime") != std::string::npos);
}

TEST_CASE("scorer: a network with published weights is trained from scratch only if that is said") {
  Bench bench;
  bench.facts = {.classes = 1000, .latent_channels = 4, .latent_height = 32, .latent_width = 32};
  const auto problems_of = [&](auto stage, const char* checkpoint) {
    auto config = small();
    config.checkpoint = checkpoint;
    Problems problems;
    check_stage(stage, bench.with(config), problems);
    return problems.text();
  };
  CHECK(problems_of(Scorer<DiT_XL2>{}, "") ==
        "score.checkpoint: expected the published weights DiT-XL-2-256x256.pt, or \"scratch\" to "
        "train the scorer first, found an empty string");
  CHECK(problems_of(Scorer<DiT_XL2>{}, "scratch").empty());
  CHECK(problems_of(Scorer<DiT_XL2>{}, "/nowhere.pt").find("/nowhere.pt") != std::string::npos);
  CHECK(problems_of(Scorer<DiT<tiny>>{}, "").empty());
  bench.facts.latent_height = bench.facts.latent_width = 16; // no weights of this size
  CHECK(problems_of(Scorer<DiT_XL2>{}, "").empty());
}

TEST_CASE("scorer: DiT with noise prediction and Algorithm 2") {
  Bench bench;
  auto config = small();
  config.checkpoint = "scratch";
  config.optimizer = "adamw";
  config.learning_rate = 1e-3;
  auto& context = bench.with(config);
  run_stage(Scorer<DiT<tiny>, Algorithm2>{}, context);
  const auto columns = Algorithm2::columns(config, 5);
  const auto values = LossMatrix::open(bench.folder.path()).values(columns);
  for (const float value : values) {
    REQUIRE((value > 0 && value < 10));
  }
}

TEST_CASE("scorer: check lists every problem at once") {
  Bench bench;
  auto config = small();
  config.columns = 7;
  config.batch_images = 0;
  config.timesteps = {0.5, 1.5};
  config.optimizer = "sgd";
  config.steps = -1;
  const auto& context = bench.with(config);
  Problems problems;
  check_stage(Scorer<SiT<tiny>>{}, context, problems);
  for (const char* key : {"score.columns", "score.batch_images", "score.timesteps",
                          "score.optimizer", "score.steps"}) {
    INFO(key);
    CHECK(problems.text().find(key) != std::string::npos);
  }
  config = small();
  config.checkpoint = "/nowhere/scorer.safetensors";
  const auto& missing = bench.with(config);
  Problems found;
  check_stage(Scorer<SiT<tiny>>{}, missing, found);
  REQUIRE(found.list().size() == 1);
  CHECK(found.text().find("/nowhere/scorer.safetensors") != std::string::npos);
}
