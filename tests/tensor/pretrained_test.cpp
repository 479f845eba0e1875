// Oracle: the weights that were written to the file, and a network that was loaded from it by hand.

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <nlohmann/json.hpp>
#include <stage_bench.hpp>

#include <d2c/core/artifact.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/pipeline.hpp>
#include <d2c/data/imagenet.hpp>
#include <d2c/data/latent.hpp>
#include <d2c/data/sd_vae.hpp>
#include <d2c/data/source.hpp>
#include <d2c/diffusion/euler_maruyama.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/noise_prediction.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/dit.hpp>
#include <d2c/models/sit.hpp>
#include <d2c/sample/sampler.hpp>
#include <d2c/score/run_scorer.hpp>
#include <d2c/train/adamw.hpp>
#include <d2c/train/class_condition.hpp>
#include <d2c/train/load_denoiser.hpp>
#include <d2c/train/no_align.hpp>
#include <d2c/train/run_pretrained.hpp>
#include <d2c/train/run_trainer.hpp>

namespace {

using namespace d2c;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

constexpr TransformerSize tiny{2, 16, 2, 2};
using Plain = Trainer<SiT<tiny>, FlowMatching, NoAlign, ClassCondition>;

ImageSet drawn_images(Split) {
  ImageSet set;
  set.channels = 1;
  set.height = set.width = 4;
  set.origin = "drawn images";
  set.class_names = {"dark", "light"};
  for (int i = 0; i < 6; ++i) {
    set.labels.push_back(i % 2);
    set.ids.push_back("train/" + std::to_string(i));
    set.pixels.insert(set.pixels.end(), 16, static_cast<std::uint8_t>(40 * i));
  }
  return set;
}

struct Bench : d2c_test::StageBench {
  Bench()
      : StageBench(drawn_images,
                   {.classes = 2, .latent_channels = 1, .latent_height = 4, .latent_width = 4}) {
    make_folders("train", "select");
    context.artifacts.set("Subset", folder / "select");
    std::ofstream(folder / "select" / "subset.csv") << "id,path,class,rank,score,standard_error\n"
                                                       "train/4,,0,0,0.1,0.01\n"
                                                       "train/1,,1,0,0.1,0.01\n";
  }
};

NetworkShape shape_of(Family family, int classes = 2) {
  NetworkShape shape;
  shape.family = family;
  shape.size = tiny;
  shape.channels = 1;
  shape.height = shape.width = 4;
  shape.classes = classes;
  shape.learn_sigma = family == Family::dit;
  return shape;
}

/// A flat state dict of random weights; returns them in the table's order.
Tensor write_flat(const fs::path& path, const NetworkShape& shape) {
  DiffusionTransformer network(shape, at::kCPU, 1);
  network.parameters().trainable_values().normal_(0, 0.2);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const ParameterEntry& entry : network.parameters().entries()) {
    tensors.emplace_back(entry.name, network.parameters().value(entry.name));
  }
  save_tensors(path, tensors);
  return network.parameters().values().clone();
}

template <class Stage>
std::string problems_of(const Stage& stage, const StageContext& context) {
  Problems problems;
  check_stage(stage, context, problems);
  return problems.text();
}

} // namespace

TEST_CASE("pretrained: a published file becomes a denoiser that a sampler reads") {
  Bench bench;
  const fs::path file = bench.folder / "weights.safetensors";
  const Tensor values = write_flat(file, shape_of(Family::dit));
  auto& context = bench.with(PretrainedConfig{.weights = file.string()});
  CHECK(problems_of(Pretrained<DiT<tiny>>{}, context).empty());
  run_stage(Pretrained<DiT<tiny>>{}, context);
  for (const bool averaged : {true, false}) {
    const auto denoiser = load_denoiser(context.out / "final.safetensors", at::kCPU, averaged);
    CHECK(denoiser->shape() == shape_of(Family::dit));
    CHECK(at::equal(denoiser->parameters().values(), values));
    CHECK(denoiser.parametrisation == default_parametrisation(Family::dit));
  }
  using Samples =
      Pipeline<Source<ImageNet, Latent<SDVae>>, Pretrained<SiT_XL2>, Sampler<EulerMaruyama>>;
  CHECK(Samples::well_formed);
}

TEST_CASE("pretrained: a checkpoint of this library is taken with its prompts") {
  Bench bench;
  NetworkShape shape = shape_of(Family::sit);
  shape.text_embedding = true;
  shape.text_tokens = 3;
  shape.text_width = 5;
  DiffusionTransformer network(shape, at::kCPU, 1);
  const Tensor average = network.parameters().values() + 1;
  const Tensor tokens = at::randn({2, 3, 5});
  write_checkpoint(bench.folder / "final.safetensors",
                   {.step = 7,
                    .parameters = network.parameters(),
                    .average = average,
                    .optimizer = {},
                    .text_tokens = tokens,
                    .text_mask = at::ones({2, 3}),
                    .network = network_shape_to_json(shape),
                    .recipe = {},
                    .parametrisation = FlowMatching::parametrisation},
                   true);
  auto& context = bench.with(PretrainedConfig{.weights = bench.folder.path().string()});
  run_stage(Pretrained<SiT<tiny>>{}, context);
  const auto denoiser = load_denoiser(context.out / "final.safetensors", at::kCPU);
  CHECK(at::equal(denoiser->parameters().values(), average));
  CHECK(at::equal(WeightsFile(context.out / "final.safetensors").read("text.tokens"), tokens));

  CHECK_THAT(problems_of(Pretrained<SiT<sizes::S(2)>>{}, context),
             Contains("pretrained.weights: ") && Contains("expected a network of shape"));
  CHECK_THAT(problems_of(Pretrained<DiT<tiny>>{}, context),
             Contains("expected a network trained for"));
}

namespace {

/// A checkpoint of 9.7 GB of zeros that takes no room on the disk: the header, then a hole.
constexpr TransformerSize vast{2, 8192, 2, 2};

void write_hole(const fs::path& path, NetworkShape shape) {
  shape.size = vast;
  nlohmann::json header;
  header["__metadata__"] = {{"format", "d2c-checkpoint-1"},
                            {"network", network_shape_to_json(shape)}};
  std::int64_t end = 0;
  for (const ParameterEntry& entry : parameter_list(shape)) {
    const std::int64_t begin = end;
    end += 4 * entry.count();
    header["ema." + entry.name] = {
        {"dtype", "F32"}, {"shape", entry.shape}, {"data_offsets", {begin, end}}};
  }
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(&length), sizeof length)
      .write(text.data(), static_cast<std::streamsize>(length));
  fs::resize_file(path, sizeof length + length + static_cast<std::uint64_t>(end));
}

} // namespace

TEST_CASE("pretrained: check compares a checkpoint of this library without reading its values") {
  Bench bench;
  const fs::path file = bench.folder / "final.safetensors";
  auto& context = bench.with(PretrainedConfig{.weights = file.string()});
  const auto resident = [] {
    std::ifstream status("/proc/self/statm");
    std::int64_t pages = 0;
    status >> pages >> pages;
    return pages * 4096;
  };
  write_hole(file, shape_of(Family::sit));
  const std::int64_t before = resident();
  CHECK(problems_of(Pretrained<SiT<vast>>{}, context).empty());
  CHECK(resident() - before < std::int64_t{100} << 20);
  write_hole(file, shape_of(Family::sit, 3));
  CHECK_THAT(problems_of(Pretrained<SiT<vast>>{}, context),
             Contains("pretrained.weights: ") && Contains("expected a network of shape"));
}

TEST_CASE("pretrained: check says what is missing, unknown or does not fit") {
  Bench bench;
  auto& context =
      bench.with(PretrainedConfig{.weights = {}, .weights_part = "best", .weights_layout = "edm"});
  CHECK(problems_of(Pretrained<SiT<tiny>>{}, context) ==
        "pretrained.weights_part: expected \"ema\" or \"model\", found \"best\"\n"
        "pretrained.weights_layout: expected \"auto\", \"dit\", \"sit\" or \"repa\", found "
        "\"edm\"\npretrained.weights: expected a file of weights or a folder with "
        "final.safetensors, found no path");
  const fs::path file = bench.folder / "weights.safetensors";
  write_flat(file, shape_of(Family::dit, 3));
  bench.with(PretrainedConfig{.weights = file.string()});
  CHECK(problems_of(Pretrained<DiT<tiny>>{}, context) ==
        "pretrained.weights: " + file.string() +
            ": expected the weights of this network, found: mis-shaped "
            "y_embedder.embedding_table.weight, expected [3, 16], found [4, 16] F32");
  // A class token brings its width along, but for a network that cannot have one.
  NetworkShape entangled = shape_of(Family::sit);
  entangled.class_token_width = 6;
  write_flat(file, entangled);
  CHECK(problems_of(Pretrained<SiT<tiny>>{}, context).empty());
  CHECK_THAT(problems_of(Pretrained<DiT<tiny>>{}, context),
             Contains("pretrained.weights: " + file.string() +
                      ": expected the weights of this network, found: unexpected "
                      "cls_projectors2.bias [16] F32; unexpected cls_projectors2.weight [16, 6] "
                      "F32; unexpected final_layer.linear_cls.bias [6] F32; "));
  write_flat(file, shape_of(Family::dit, 3));
  // The scorer's checkpoint is looked at in the same way.
  ScoreConfig score;
  score.checkpoint = file.string();
  bench.with(score);
  CHECK_THAT(problems_of(Scorer<DiT<tiny>>{}, context),
             Contains("score.checkpoint: ") && Contains("expected [3, 16], found [4, 16] F32"));
}

TEST_CASE("trainer: a training begins with the weights that initial_weights names") {
  Bench bench;
  const fs::path file = bench.folder / "weights.safetensors";
  const Tensor values = write_flat(file, shape_of(Family::sit));
  TrainConfig config;
  config.initial_weights = file.string();
  config.initial_layout = "repa";
  config.steps = 2;
  config.batch = 2;
  config.learning_rate = 1e-9;
  config.ema_profile = "constant";
  auto& context = bench.with(config);
  CHECK(problems_of(Plain{}, context).empty());
  run_stage(Plain{}, context);
  const auto last = load_denoiser(context.out / "final.safetensors", at::kCPU, false);
  CHECK((last->parameters().values() - values).abs().max().item<double>() < 1e-8);
  const auto averaged = load_denoiser(context.out / "final.safetensors", at::kCPU);
  CHECK((averaged->parameters().values() - values).abs().max().item<double>() < 1e-6);

  // Where the file lies does not matter, what it holds does.
  const fs::path moved = bench.folder / "moved.safetensors";
  fs::rename(file, moved);
  CHECK_THAT(problems_of(Plain{}, context), Contains("train.initial_weights: expected a file"));
  config.initial_weights = moved.string();
  bench.with(config);
  CHECK_NOTHROW(run_stage(Plain{}, context));
  write_flat(moved, shape_of(Family::sit));
  CHECK_THROWS_WITH(run_stage(Plain{}, context),
                    Contains("expected a checkpoint of the same training (initial="));
  write_flat(moved, shape_of(Family::sit, 5));
  CHECK_THAT(problems_of(Plain{}, context), Contains("train.initial_weights: ") &&
                                                Contains("expected [3, 16], found [6, 16] F32"));
}
