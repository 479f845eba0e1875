// Oracles: an uninterrupted run; NumPy's file layout read back by the library's own readers; values
// worked out by hand.

#include <array>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>
#include <stage_bench.hpp>

#include <d2c/core/artifact.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/pixels_codec.hpp>
#include <d2c/diffusion/ddpm.hpp>
#include <d2c/diffusion/dopri5.hpp>
#include <d2c/diffusion/euler.hpp>
#include <d2c/diffusion/euler_maruyama.hpp>
#include <d2c/io/image_decoder.hpp>
#include <d2c/io/npz.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/sample/run_sampler.hpp>
#include <d2c/sample/sampler.hpp>
#include <d2c/train/checkpoint.hpp>

namespace {

using namespace d2c;

/// A fresh folder, removed at the end.
using Folder = d2c_test::ScratchFolder;

NetworkShape tiny(Family family) {
  return {.family = family,
          .size = {.depth = 1, .width = 16, .heads = 1, .patch = 2},
          .channels = 1,
          .height = 4,
          .width = 4,
          .classes = 3,
          .learn_sigma = family == Family::dit};
}

/// Leaves final.safetensors of a network with random weights everywhere (the published
/// initialisation answers zero).
void write_denoiser(const std::filesystem::path& folder, Family family, std::uint32_t draw = 77) {
  DiffusionTransformer network(tiny(family), at::kCPU, 1);
  const at::NoGradGuard no_grad;
  const auto& values = network.parameters().values();
  constexpr std::array<std::int64_t, 1> any{0};
  values.copy_(random_normal({.step = draw}, any, values.sizes())[0] * 0.2);
  const TrainingState state{.step = 1,
                            .parameters = network.parameters(),
                            .average = values,
                            .optimizer = {},
                            .text_tokens = {},
                            .text_mask = {},
                            .network = network_shape_to_json(network.shape()),
                            .recipe = "test"};
  write_checkpoint(folder / "final.safetensors", state, true);
}

/// What a sampler asks for: a denoiser of three classes.
struct Bench : d2c_test::StageBench {
  Folder denoiser;

  explicit Bench(Family family = Family::sit)
      : StageBench(no_images,
                   {.classes = 3, .latent_channels = 1, .latent_height = 4, .latent_width = 4}) {
    write_denoiser(denoiser.path(), family);
    context.artifacts.set(Denoiser::name, denoiser.path());
  }
};

SampleConfig small() {
  SampleConfig config;
  config.images_per_class = 7;
  config.steps = 5;
  config.guidance = 2;
  config.guidance_low = 0.3;
  config.guidance_high = 0.9;
  config.batch = 4;
  config.grid_per_class = 2;
  return config;
}

struct Output {
  Tensor prediction;
  Tensor variance;
};

/// Elementwise, and fails after some calls as if the process had been killed there.
struct Network {
  int* calls_left;

  Output operator()(const Tensor& x, const Tensor& t, const Tensor& labels) const {
    if ((*calls_left)-- == 0) {
      throw Failure("stopped here");
    }
    return {0.5 * x + (t - labels.to(at::kFloat)).view({-1, 1, 1, 1}) * 0.3, {}};
  }
};

Tensor draw(const Folder& folder, const SampleConfig& config, int calls) {
  Progress quiet(true);
  const SampleSet set{.classes = 3, .shape = {1, 4, 4}, .seed = 5};
  return draw_samples<Euler>(Network{&calls}, set, config, PixelsCodec{}, folder.path(), quiet);
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

} // namespace

TEST_CASE("sampler: an interrupted run goes on to the same images") {
  const Folder whole;
  const Tensor expected = draw(whole, small(), 1000);
  REQUIRE(expected.sizes() == at::IntArrayRef({21, 1, 4, 4}));
  REQUIRE(expected.scalar_type() == at::kByte);
  const Folder broken;
  // Five calls a batch: the third batch fails.
  CHECK(sentence_of([&] { (void)draw(broken, small(), 12); }) == "stopped here");
  CHECK(draw(broken, small(), 4 * 5).equal(expected)); // six batches less two
  // Another batch size gives the same images, and a larger set begins with the smaller one.
  auto config = small();
  config.batch = 9;
  config.images_per_class = 8;
  const Folder other;
  CHECK(draw(other, config, 1000).narrow(0, 0, 21).equal(expected));
}

TEST_CASE("sampler: writes what the evaluator, NumPy and a human open") {
  Bench bench;
  auto& context = bench.with(small());
  const Sampler<Euler> stage;
  Problems problems;
  check_stage(stage, context, problems);
  REQUIRE(problems.text().empty());
  run_stage(stage, context);
  const auto& out = bench.folder.path();
  const auto tensors = load_safetensors(out / "samples.safetensors");
  const Tensor images = tensors.at("images");
  const Tensor labels = tensors.at("labels");
  REQUIRE(images.sizes() == at::IntArrayRef({21, 1, 4, 4}));
  for (std::int64_t c = 0; c < 3; ++c) {
    CHECK(labels.eq(c).sum().item<std::int64_t>() == 7);
  }
  CHECK_FALSE(images[0].equal(images[3]));

  const NpzFile npz(out / "samples.npz");
  const NpzArray array = npz.array("arr_0");
  REQUIRE(array.shape == std::vector<std::int64_t>{21, 4, 4, 3});
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(array.bytes.data());
  for (std::int64_t i = 0; i < 21; ++i) {
    for (std::int64_t p = 0; p < 16; ++p) {
      const auto grey = images[i][0][p / 4][p % 4].item<std::uint8_t>();
      for (std::int64_t c = 0; c < 3; ++c) {
        REQUIRE(bytes[(i * 16 + p) * 3 + c] == grey);
      }
    }
  }
  CHECK(npz.array("arr_1").shape == std::vector<std::int64_t>{21});

  const DecodedImage grid = read_image(out / "grid.png");
  CHECK(grid.width == 2 * 4 + 2);
  CHECK(grid.height == 3 * 4 + 2 * 2);
  // Second row, second column: the second sample of class 1, which is sample 4.
  CHECK(grid.rgb[static_cast<std::size_t>(3 * (6 * grid.width + 6))] ==
        images[4][0][0][0].item<std::uint8_t>());
  CHECK_FALSE(std::filesystem::exists(out / "parts"));
}

TEST_CASE("sampler: the archive holds every image, however many there are") {
  const Folder folder;
  const std::int64_t n = 600; // more than two pieces
  const Tensor numbers = at::arange(n * 2 * 3, at::kLong).remainder(251).to(at::kByte);
  const Tensor labels = at::arange(n, at::kLong);
  const auto stored = [&](const Tensor& images) {
    write_samples_npz(folder / "a.npz", images, labels);
    const NpzFile file(folder / "a.npz");
    const NpzArray array = file.array("arr_0");
    REQUIRE(array.shape == std::vector<std::int64_t>{n, 2, images.size(3), 3});
    return at::from_blob(const_cast<std::byte*>(array.bytes.data()), array.shape, at::kByte)
        .clone();
  };
  const Tensor grey = numbers.view({n, 1, 2, 3});
  CHECK(stored(grey).equal(grey.permute({0, 2, 3, 1}).expand({-1, -1, -1, 3})));
  const Tensor colour = numbers.view({n, 3, 2, 1});
  CHECK(stored(colour).equal(colour.permute({0, 2, 3, 1})));
}

TEST_CASE("sampler: DDPM draws from a DiT with its variance head") {
  Bench bench(Family::dit);
  auto& context = bench.with(small());
  run_stage(Sampler<DDPM>{}, context);
  CHECK(load_safetensors(bench.folder.path() / "samples.safetensors").at("images").size(0) == 21);
}

TEST_CASE("sampler: a method that cannot follow the denoiser's path is refused, with both named") {
  Bench bench(Family::dit);
  auto& context = bench.with(small());
  const auto sentence = sentence_of([&] { run_stage(Sampler<Euler>{}, context); });
  CHECK(sentence.find("final.safetensors: Euler needs a denoiser of a continuous path, found one "
                      "of a DDPM schedule") != std::string::npos);
}

TEST_CASE("sampler: check lists every problem at once") {
  Bench bench;
  SampleConfig config;
  config.images_per_class = 0;
  config.batch = -3;
  config.time_shift = -1;
  config.eta = 0.5;
  config.guidance_low = 0.9;
  config.guidance_high = 0.1;
  const auto& context = bench.with(config);
  Problems problems;
  check_stage(Sampler<EulerMaruyama>{}, context, problems);
  for (const char* words :
       {"sample.images_per_class", "sample.batch", "time shift must be a positive number",
        "sample.eta: EulerMaruyama does not read this key: expected its default 0, found 0.5",
        "guidance interval"}) {
    INFO(words);
    CHECK(problems.text().find(words) != std::string::npos);
  }
}

namespace {

/// The images a Sampler<Method> writes with `config`, and what it asked of networks.
template <class Method>
std::pair<Tensor, Tensor> drawn(const SampleConfig& config) {
  Bench bench;
  bench.sections.set(config);
  Problems problems;
  check_stage(Sampler<Method>{}, bench.context, problems);
  REQUIRE(problems.text().empty());
  run_stage(Sampler<Method>{}, bench.context);
  const auto tensors = load_safetensors(bench.folder.path() / "samples.safetensors");
  return {tensors.at("images"), tensors.at("network_calls")};
}

} // namespace

TEST_CASE(
    "sampler: a weaker denoiser guides, and the denoiser itself as its guide changes nothing") {
  const Folder same;
  const Folder weak;
  write_denoiser(same.path(), Family::sit);
  write_denoiser(weak.path(), Family::sit, 78);
  SampleConfig config = small();
  config.guidance = 1;
  const auto [plain, plain_calls] = drawn<Euler>(config);
  CHECK(plain_calls.eq(5).all().item<bool>());
  config.guidance = 2;
  config.guide_checkpoint = (same.path() / "final.safetensors").string();
  const auto [itself, calls] = drawn<Euler>(config);
  CHECK(itself.equal(plain));
  CHECK(calls.eq(5 + 3).all().item<bool>()); // of times 1, .8, .6, .4, .2 three in [.3, .9]
  config.guide_checkpoint = weak.path().string();
  const Tensor guided = drawn<Euler>(config).first;
  CHECK_FALSE(guided.equal(plain));
  config.guide_checkpoint.clear();
  CHECK_FALSE(drawn<Euler>(config).first.equal(guided));
}

TEST_CASE("sampler: the adaptive method is near a fine fixed grid and says what it took") {
  SampleConfig config;
  config.images_per_class = 4;
  config.rtol = 1e-5;
  config.atol = 1e-5;
  const auto [adaptive, calls] = drawn<Dopri5>(config);
  CHECK(calls.ge(14).all().item<bool>());
  CHECK((calls - 2).remainder(6).eq(0).all().item<bool>());
  SampleConfig fine;
  fine.images_per_class = 4;
  fine.steps = 2000;
  const Tensor fixed = drawn<Euler>(fine).first;
  CHECK((adaptive.to(at::kInt) - fixed.to(at::kInt)).abs().max().item<int>() <= 1);
}

TEST_CASE("sampler: guidance that the denoisers cannot give is refused in a sentence") {
  const Folder other;
  write_denoiser(other.path(), Family::dit);
  Bench bench;
  SampleConfig config = small();
  config.guide_checkpoint = other.path().string();
  bench.sections.set(config);
  auto sentence = sentence_of([&] { run_stage(Sampler<Euler>{}, bench.context); });
  CHECK(sentence.find("expected a guiding denoiser that predicts linear velocity of 1x4x4 with 3 "
                      "classes, found ddpm-linear noise") != std::string::npos);
  const auto guide = other / "guide.safetensors";
  save_tensors(guide, {{"weight", at::ones({2})}});
  config.guide_checkpoint = guide.string();
  bench.sections.set(config);
  Problems foreign;
  check_stage(Sampler<Euler>{}, bench.context, foreign);
  CHECK(foreign.text() == "sample.guide_checkpoint: " + guide.string() +
                              ": expected a checkpoint of this library (format d2c-checkpoint-1), "
                              "found none");
  config = small();
  config.guidance_null = "class";
  bench.sections.set(config);
  sentence = sentence_of([&] { run_stage(Sampler<Euler>{}, bench.context); });
  CHECK(sentence.find("needs a denoiser of class and text, found one of no text") !=
        std::string::npos);
  config = small();
  config.guide_checkpoint = "nowhere";
  config.guidance_null = "both";
  config.last_step = "off";
  config.guidance_channels = -1;
  bench.sections.set(config);
  Problems problems;
  check_stage(Sampler<Dopri5>{}, bench.context, problems);
  INFO(problems.text());
  for (const char* words :
       {"sample.steps: Dopri5 does not read this key: expected its default 12, found 5",
        "sample.last_step: Dopri5 does not read this key",
        "sample.last_step: expected \"none\", \"mean\", \"euler\" or \"tweedie\", found \"off\"",
        "sample.guidance_null: expected \"joint\", \"class\", \"text\" or \"independent\""}) {
    INFO(words);
    CHECK(problems.text().find(words) != std::string::npos);
  }
  config.guidance_null = "joint";
  bench.sections.set(config);
  Problems more;
  check_stage(Sampler<Euler>{}, bench.context, more);
  for (const char* words : {"found nothing at nowhere", "guided channels must be zero"}) {
    INFO(words);
    CHECK(more.text().find(words) != std::string::npos);
  }
}
