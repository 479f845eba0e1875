// Oracle: files written by hand for the stage, and what it leaves.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <stage_bench.hpp>

#include <d2c/core/artifact.hpp>
#include <d2c/core/error.hpp>
#include <d2c/diffusion/cosine_schedule.hpp>
#include <d2c/diffusion/ddpm_matching.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/gvp_path.hpp>
#include <d2c/diffusion/min_snr.hpp>
#include <d2c/diffusion/noise_prediction.hpp>
#include <d2c/diffusion/parametrisation.hpp>
#include <d2c/diffusion/path_matching.hpp>
#include <d2c/diffusion/predict_data.hpp>
#include <d2c/diffusion/predict_velocity.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/dit.hpp>
#include <d2c/models/sit.hpp>
#include <d2c/train/class_condition.hpp>
#include <d2c/train/dc_embedding.hpp>
#include <d2c/train/dispersive_loss.hpp>
#include <d2c/train/held_out_set.hpp>
#include <d2c/train/load_denoiser.hpp>
#include <d2c/train/no_align.hpp>
#include <d2c/train/reg_align.hpp>
#include <d2c/train/repa_align.hpp>
#include <d2c/train/run_trainer.hpp>

namespace {

using namespace d2c;
namespace fs = std::filesystem;

constexpr TransformerSize tiny{2, 16, 2, 2};
using Whole = Trainer<SiT<tiny>, FlowMatching, REPAAlign, DCEmbedding, Muon>;
using Plain = Trainer<DiT<tiny>, NoisePrediction, NoAlign, ClassCondition>;

ImageSet drawn_images(Split) {
  ImageSet set;
  set.channels = 1;
  set.height = set.width = 4;
  set.origin = "drawn images";
  set.class_names = {"dark", "light"};
  for (int i = 0; i < 10; ++i) {
    set.labels.push_back(i % 2);
    set.ids.push_back("train/" + std::to_string(i));
    set.pixels.insert(set.pixels.end(), 16, static_cast<std::uint8_t>(20 * i));
  }
  return set;
}

/// What a trainer asks for: three kept images of two classes.
struct Bench : d2c_test::StageBench {
  Bench() : StageBench(drawn_images, {.classes = 2}) {
    make_folders("train", "select", "attach");
    context.artifacts.set("Subset", folder / "select");
    std::ofstream(folder / "select" / "subset.csv") << "id,path,class,rank,score,standard_error\n"
                                                       "train/4,,0,0,0.1,0.01\n"
                                                       "train/0,,0,1,0.2,0.01\n"
                                                       "train/7,,1,0,0.1,0.01\n";
    TrainConfig config;
    config.steps = 4;
    config.batch = 2;
    sections.set(config);
  }

  void attach(std::int64_t visual_tokens) {
    context.artifacts.set("CondensedPack", folder / "attach");
    save_tensors(folder / "attach" / "condensed.safetensors",
                 {{"images", at::arange(48).view({3, 1, 4, 4}).to(at::kByte)},
                  {"labels", at::tensor({0, 0, 1}, at::kLong)},
                  {"text_tokens", at::randn({2, 3, 5})},
                  {"text_mask", at::ones({2, 3})},
                  {"visual_tokens", at::randn({3, visual_tokens, 6})},
                  {"class_tokens", at::randn({3, 6})}});
  }
};

std::string message(auto&& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError was thrown";
}

} // namespace

TEST_CASE("trainer: without attachment it trains on the rows of subset.csv") {
  Bench bench;
  const TrainingSet set = load_training_set(bench.context, false, false);
  CHECK(set.labels.equal(at::tensor({0, 0, 1}, at::kLong)));
  const Tensor first_pixels = set.latents.flatten(1).select(1, 0);
  CHECK(at::allclose(first_pixels, at::tensor({80.0f, 0.0f, 140.0f}) / 127.5 - 1));
  run_stage(Plain{}, bench.context);
  const auto denoiser = load_denoiser(bench.context.out / "final.safetensors", at::kCPU);
  CHECK(denoiser->shape().family == Family::dit);
  CHECK(denoiser->shape().learn_sigma);
  CHECK(denoiser->shape().classes == 2);
  CHECK(denoiser->shape().align_depth == 0);
}

TEST_CASE("trainer: REGAlign takes the pack's class tokens into the network") {
  const auto trained = [](double align_weight) {
    Bench bench;
    bench.attach(4);
    TrainConfig config = bench.sections.get<TrainConfig>();
    config.align_weight = align_weight;
    bench.sections.set(config);
    run_stage(Trainer<SiT<tiny>, FlowMatching, REGAlign, ClassCondition>{}, bench.context);
    return load_denoiser(bench.context.out / "final.safetensors", at::kCPU)->shape();
  };
  const NetworkShape shape = trained(0.5);
  CHECK(shape.class_token_width == 6);
  CHECK(shape.align_width == 6);
  CHECK(shape.sequence() == 5);
  CHECK(trained(0).class_token_width == 6);
  CHECK(trained(0).align_depth == 0);
}

TEST_CASE("trainer: what the objective makes the network predict is read back from its file") {
  const auto predicted = [](auto stage) {
    Bench bench;
    run_stage(stage, bench.context);
    return load_denoiser(bench.context.out / "final.safetensors", at::kCPU);
  };
  using Gvp = PathMatching<GvpPath, PredictData, MinSnr<5>>;
  const auto gvp = predicted(Trainer<SiT<tiny>, Gvp, NoAlign, ClassCondition>{});
  CHECK(gvp.parametrisation == Parametrisation{PathKind::gvp, TargetKind::data});
  using Cosine = DdpmMatching<CosineSchedule, PredictVelocity>;
  const auto cosine = predicted(Trainer<DiT<tiny>, Cosine, NoAlign, ClassCondition>{});
  CHECK(cosine.parametrisation == Parametrisation{PathKind::ddpm_cosine, TargetKind::velocity});
  CHECK_FALSE(cosine->shape().learn_sigma);
  const auto plain = predicted(Plain{});
  CHECK(plain.parametrisation == default_parametrisation(Family::dit));
}

TEST_CASE("trainer: a file that names no known path and target is refused") {
  Bench bench;
  run_stage(Plain{}, bench.context);
  const fs::path path = bench.context.out / "final.safetensors";
  std::stringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  std::string text = bytes.str();
  const std::string known = "ddpm-linear noise";
  const auto at = text.find(known);
  REQUIRE(at != std::string::npos);
  std::ofstream(path, std::ios::binary) << text.replace(at, known.size(), "ddpm-linear nouns");
  CHECK(message([&] { (void)load_denoiser(path, at::kCPU); }) ==
        path.string() + ": expected a path and a target as metadata \"parametrisation\", such as "
                        "\"ddpm-linear noise\", found \"ddpm-linear nouns\"");
}

TEST_CASE("trainer: with attachment it trains on the pack, text and patch tokens included") {
  Bench bench;
  bench.attach(4);
  const TrainingSet set = load_training_set(bench.context, true, true);
  CHECK(set.latents.sizes() == at::IntArrayRef{3, 1, 4, 4});
  CHECK(set.latents.view(-1)[47].item<float>() == Approx(47 / 127.5 - 1));
  run_stage(Whole{}, bench.context);
  CHECK(fs::exists(bench.context.out / "loss.csv"));
  const auto denoiser = load_denoiser(bench.context.out / "final.safetensors", at::kCPU);
  CHECK(denoiser->shape().text_embedding);
  CHECK(denoiser->shape().align_depth == 1);
  CHECK(denoiser->shape().align_width == 6);
  CHECK(denoiser->shape().align_hidden == 64);
}

TEST_CASE("trainer: a pipeline that begins with a pack needs no subset.csv") {
  Bench bench;
  bench.attach(4);
  bench.context.artifacts.set("Subset", bench.folder / "attach");
  CHECK(load_training_set(bench.context, false, false).size() == 3);
}

TEST_CASE("trainer: what it is judged on lies outside the subset, or is taken from it") {
  Bench bench;
  TrainConfig config = bench.sections.get<TrainConfig>();
  config.evaluate_every = 2;
  TrainingSet set = load_training_set(bench.context, false, false);
  const TrainingSet outside = take_held_out(set, bench.context, config);
  // Of the images 0 to 9, grey 20 i, class i % 2, the subset has 4, 0 and 7.
  const Tensor grey = ((outside.latents.flatten(1).select(1, 0) + 1) * 127.5 / 20).round();
  CHECK(grey.equal(at::tensor({1.0f, 2.0f, 3.0f, 5.0f, 6.0f, 8.0f, 9.0f})));
  CHECK(outside.labels.equal(at::tensor({1, 0, 1, 1, 0, 0, 1}, at::kLong)));
  CHECK(set.size() == 3);
  config.evaluate_images = 3;
  CHECK(take_held_out(set, bench.context, config).size() == 3);
  config.evaluate_share = 0.3;
  CHECK(take_held_out(set, bench.context, config).size() == 1);
  CHECK(set.size() == 2);

  bench.sections.set(config);
  run_stage(Trainer<SiT<tiny>, FlowMatching, DispersiveLoss, ClassCondition>{}, bench.context);
  CHECK(fs::exists(bench.context.out / "held_out.csv"));

  config.evaluate_share = 0;
  bench.attach(4);
  bench.context.artifacts.set("Subset", bench.folder / "attach");
  CHECK_THAT(message([&] { take_held_out(set, bench.context, config); }),
             Catch::Contains("train.evaluate_share: expected a share above 0") &&
                 Catch::Contains("begins with a pack"));
  bench.sections.set(config);
  Problems problems;
  check_stage(Trainer<SiT<tiny>, FlowMatching, REGAlign, ClassCondition>{}, bench.context,
              problems);
  CHECK_THAT(problems.text(), Catch::Contains("have no class token for REGAlign"));
  config = {};
  config.batch = 4;
  config.accumulate = 4;
  config.align_depth = 3;
  bench.sections.set(config);
  Problems more;
  check_stage(Trainer<SiT<tiny>, FlowMatching, DispersiveLoss, ClassCondition>{}, bench.context,
              more);
  CHECK_THAT(more.text(), Catch::Contains("expected at most the network's depth 2, found 3") &&
                              Catch::Contains("for DispersiveLoss, found 1"));
}

TEST_CASE("trainer: patch tokens of another grid are refused before training and at it") {
  Bench bench;
  bench.attach(9);
  CHECK(message([&] { run_stage(Whole{}, bench.context); }) ==
        "training set: expected 4 visual tokens per image, one per patch of the network, found 9");
  bench.facts.latent_height = bench.facts.latent_width = 4;
  bench.facts.visual_tokens = 9;
  TrainConfig config;
  config.align_depth = 3;
  config.clip = -1;
  bench.sections.set(config);
  Problems problems;
  check_stage(Whole{}, bench.context, problems);
  REQUIRE(problems.list().size() == 3);
  CHECK(problems.list()[0].text() ==
        "train.clip: expected zero or a positive number, found -1.000000");
  CHECK(problems.list()[1].text() ==
        "train.align_depth: expected at most the network's depth 2, found 3");
  CHECK_THAT(problems.list()[2].what, Catch::Contains("expected 4 visual tokens per image"));
}

TEST_CASE("trainer: mirror images are refused where the codec does not mirror latents") {
  class Learned : public PixelsCodec {
    [[nodiscard]] bool mirrors() const override { return false; }
  };

  Bench bench;
  TrainConfig config = bench.sections.get<TrainConfig>();
  config.flip = 0.5;
  bench.sections.set(config);
  const auto problems_with = [&](const Codec& codec) {
    Problems problems;
    const StageContext context{.out = bench.context.out,
                               .artifacts = {},
                               .sections = bench.sections,
                               .facts = bench.facts,
                               .images = bench.context.images,
                               .codec = codec,
                               .device = "cpu",
                               .seed = 0,
                               .progress = bench.context.progress};
    check_stage(Plain{}, context, problems);
    return problems.text();
  };
  CHECK(problems_with(PixelsCodec{}).empty());
  CHECK_THAT(problems_with(Learned{}), Catch::Contains("train.flip: expected 0 with a codec"));
}

TEST_CASE("trainer: an unknown id in subset.csv and a damaged pack are refused") {
  Bench bench;
  std::ofstream(bench.folder / "select" / "subset.csv")
      << "id,path,class,rank,score,standard_error\ntrain/99,,0,0,,\n";
  CHECK_THAT(message([&] { run_stage(Plain{}, bench.context); }),
             Catch::Contains("subset.csv") && Catch::Contains("train/99"));
  bench.attach(4);
  const fs::path pack = bench.folder / "attach" / "condensed.safetensors";
  fs::resize_file(pack, fs::file_size(pack) - 7);
  CHECK_THAT(message([&] { run_stage(Whole{}, bench.context); }),
             Catch::Contains("condensed.safetensors") && Catch::Contains("truncated"));
}

TEST_CASE("trainer: the projector's place and width follow the published networks") {
  CHECK(default_align_depth(sizes::XL(2)) == 8);
  CHECK(default_align_depth(sizes::L(2)) == 8);
  CHECK(default_align_depth(sizes::B(2)) == 4);
  CHECK(default_align_depth(TransformerSize{1, 16, 2, 2}) == 1);
  CHECK(default_align_hidden(sizes::XL(2)) == 2048);
  CHECK(default_align_hidden(sizes::S(2)) == 2048);
  CHECK(default_align_hidden(TransformerSize{4, 64, 2, 4}) == 256);
}
