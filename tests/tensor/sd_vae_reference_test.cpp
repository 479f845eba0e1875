// Oracle: diffusers' AutoencoderKL on seeded weights, run by tests/reference/sd_vae.py, which also
// writes the weights in the three published spellings.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <nlohmann/json.hpp>
#include <scratch_folder.hpp>
#include <stage_bench.hpp>

#include <d2c/app/network_of.hpp>
#include <d2c/app/program.hpp>
#include <d2c/app/source_data.hpp>
#include <d2c/app/torch_backend.hpp>
#include <d2c/attach/pack_file.hpp>
#include <d2c/attach/run_attacher.hpp>
#include <d2c/core.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/data/cached_codec.hpp>
#include <d2c/data/image_folder.hpp>
#include <d2c/data/latent.hpp>
#include <d2c/data/latent_cache.hpp>
#include <d2c/data/repa_latents.hpp>
#include <d2c/data/repa_list.hpp>
#include <d2c/data/sd_vae_codec.hpp>
#include <d2c/data/sd_vae_network.hpp>
#include <d2c/data/sd_vae_tensors.hpp>
#include <d2c/data/source.hpp>
#include <d2c/diffusion/euler.hpp>
#include <d2c/io/npy.hpp>
#include <d2c/io/npz_writer.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/sample/run_sampler.hpp>
#include <d2c/score/run_scorer.hpp>
#include <d2c/select/run_selector.hpp>
#include <d2c/select/subset_file.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/checkpoint.hpp>
#include <d2c/train/load_training_set.hpp>
#include <d2c/train/run_trainer.hpp>

namespace test_vae {

using d2c::Tensor;

// The network of the reference: Stable Diffusion's, but narrower.
struct Narrow {
  static constexpr d2c::fixed_string text = "Narrow";
  static constexpr std::string_view name = text;
  static constexpr std::string_view config_name = "narrow";
  static constexpr std::string_view weights = "small.safetensors";
  static constexpr d2c::SDVaeShape shape{.channels = {32, 64, 96, 96}};
  static constexpr int image_channels = 3;
  static constexpr int channels = 4;
  static constexpr int down = 8;
};

// Tokens: the mean of the image.
struct Mean {
  using role = d2c::roles::vision_encoder;
  static constexpr std::string_view name = "Mean";
  static constexpr int tokens = 1;
  static constexpr int width = 1;
  static constexpr auto provides = d2c::set_of<d2c::VisualTokens>;
};

struct MeanEncoder : d2c::VisionEncoder {
  Tensor patch_tokens(const Tensor& images) const override {
    return images.to(at::kFloat).flatten(1).mean(1).view({-1, 1, 1});
  }

  std::vector<std::filesystem::path> files() const override { return {}; }
};

inline std::unique_ptr<d2c::VisionEncoder> make_encoder(Mean, const d2c::AttachConfig&,
                                                        at::Device) {
  return std::make_unique<MeanEncoder>();
}

inline void check_encoder(Mean, const d2c::AttachConfig&, d2c::Problems&) {} // no files

} // namespace test_vae

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using d2c_test::content;
using test_vae::Narrow;
using NarrowSource = Source<ImageFolder<2, 32, 48>, Latent<Narrow>>;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/sd_vae.py wrote to");
  }
  return std::filesystem::path(root) / "sd_vae";
}

Tensor expected(const std::string& name) {
  static const SafetensorsFile file{folder() / "sd_vae.safetensors"};
  return to_tensor(file, name);
}

/// The largest difference of any channel, in units of the channel's largest value: the clamped
/// channels are far larger than the others.
double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  REQUIRE(wanted.dim() == 4);
  return ((found - wanted).abs().amax({0, 2, 3}) / wanted.abs().amax({0, 2, 3}))
      .max()
      .item<double>();
}

constexpr const char* files[] = {"small.safetensors", "small.deprecated.bin", "small.ckpt",
                                 "small.ldm.safetensors"};

SDVaeNetwork network(const char* file = files[0]) {
  return {WeightsFile{folder() / file}, Narrow::shape};
}

/// The same where `folder` names something else.
std::filesystem::path reference() {
  return folder();
}

/// The three images of the reference.
ImageSet three_images(Split) {
  const Tensor pixels = expected("pixels").contiguous();
  ImageSet set;
  set.channels = 3;
  set.height = 32;
  set.width = 48;
  set.class_names = {"one", "two"};
  set.origin = "three images";
  set.pixels.assign(pixels.const_data_ptr<std::uint8_t>(),
                    pixels.const_data_ptr<std::uint8_t>() + pixels.numel());
  set.labels = {0, 1, 0};
  set.ids = {"train/0", "train/1", "train/2"};
  return set;
}

DataConfig with_weights() {
  DataConfig config;
  config.codec_weights = (folder() / files[0]).string();
  return config;
}

} // namespace

TEST_CASE("sd-vae reference: mean, logarithm of the variance and images agree in each spelling") {
  for (const char* file : files) {
    INFO(file);
    const SDVaeNetwork read = network(file);
    const LatentPosterior posterior = read.encode(expected("images"));
    CHECK(relative(posterior.mean, expected("mean")) < 1e-4);
    CHECK(relative(posterior.logvar, expected("logvar")) < 1e-4);
    CHECK(relative(posterior.deviation(), expected("std")) < 1e-4);
    CHECK(relative(read.decode(expected("latents")), expected("decoded")) < 1e-4);
    // The clamps of the reference were reached, and nowhere else.
    CHECK(posterior.logvar.select(1, 1).eq(20).all().item<bool>());
    CHECK(posterior.logvar.select(1, 2).eq(-30).all().item<bool>());
    CHECK(posterior.logvar.select(1, 0).abs().max().item<double>() < 15);
  }
}

TEST_CASE("sd-vae reference: tiles blend as diffusers blends them") {
  const SDVaeNetwork read = network();
  const LatentPosterior tiled = read.encode(expected("large"), 64);
  CHECK(relative(tiled.mean, expected("tiled.mean")) < 1e-4);
  CHECK(relative(tiled.logvar, expected("tiled.logvar")) < 1e-4);
  CHECK(relative(read.decode(expected("large_latents"), 64), expected("tiled.decoded")) < 1e-4);
  const LatentPosterior whole = read.encode(expected("large"));
  CHECK(relative(whole.mean, expected("whole.mean")) < 1e-4);
  CHECK(relative(read.decode(expected("large_latents")), expected("whole.decoded")) < 1e-4);
  // They differ by more than any tolerance here; images that fit one tile stay whole.
  CHECK(relative(tiled.mean, whole.mean) > 0.01);
  CHECK(at::equal(read.encode(expected("images"), 64).mean, read.encode(expected("images")).mean));
  CHECK_THROWS_WITH(read.encode(expected("large"), 40),
                    Contains("multiple of 32") && Contains("found 40"));
  CHECK_THROWS_WITH(read.encode(at::zeros({1, 3, 36, 32})),
                    Contains("multiples of 8") && Contains("[1, 3, 36, 32]"));
  CHECK_THROWS_WITH(read.decode(at::zeros({1, 3, 4, 4})), Contains("latents [n, 4, H, W]"));
}

TEST_CASE("sd-vae reference: the published widths, and tiles of the published size") {
  const SDVaeNetwork full{WeightsFile{folder() / "full.safetensors"}, SDVae::shape};
  CHECK(relative(full.encode(expected("full")).mean, expected("full.mean")) < 1e-4);
  CHECK(relative(full.decode(expected("full_latents")), expected("full.decoded")) < 1e-4);

  const SDVaeNetwork read = network();
  CHECK(relative(read.encode(expected("wide"), 256).mean, expected("wide.mean")) < 1e-4);
  CHECK(relative(read.decode(expected("wide_latents"), 256), expected("wide.decoded")) < 1e-4);
}

TEST_CASE("sd-vae reference: the codec encodes, samples and decodes") {
  const SDVaeCodec codec{folder() / files[0], Narrow::shape};
  const ImageSet images = three_images(Split::train);
  const std::vector<std::int64_t> all{0, 1, 2};
  CHECK((codec.channels(images) == 4 && codec.height(images) == 4 && codec.width(images) == 6));
  CHECK_FALSE(codec.mirrors());
  const Tensor latents = codec.encode(images, all);
  CHECK(relative(latents, expected("scaled")) < 1e-4);
  const Tensor moments = codec.moments(images, all);
  CHECK(relative(moments.slice(1, 0, 4), expected("mean")) < 1e-4);
  CHECK(relative(moments.slice(1, 4), expected("std")) < 1e-4);

  // A sample is mean + deviation * noise, whose sequence belongs to the image; rows and batches do
  // not matter.
  const Draw draw{.seed = 9, .stream = Stream::posterior, .step = 3};
  Tensor noise = at::empty({3, 4, 4, 6});
  for (std::uint32_t i = 0; i < 3; ++i) {
    fill_normal({9, Stream::posterior, 3, i}, noise[i].mutable_data_ptr<float>(), 96);
  }
  const Tensor samples = codec.sample(images, all, draw);
  CHECK(relative(samples, (expected("mean") + expected("std") * noise) * 0.18215) < 1e-4);
  CHECK(at::equal(codec.sample(images, std::vector<std::int64_t>{2, 0}, draw),
                  samples.index_select(0, at::tensor({2, 0}, at::kLong))));
  CHECK(at::equal(codec.encode(images, std::vector<std::int64_t>{1}), latents.slice(0, 1, 2)));
  CHECK(codec.encode(images, {}).sizes() == at::IntArrayRef({0, 4, 4, 6}));
  CHECK(codec.moments(images, {}).sizes() == at::IntArrayRef({0, 8, 4, 6}));

  const Tensor bytes = codec.decode(expected("latents"));
  const Tensor wrong = (bytes.to(at::kInt) - expected("decoded.bytes").to(at::kInt)).abs();
  CHECK(bytes.scalar_type() == at::kByte);
  CHECK(wrong.max().item<int>() <= 1);
  CHECK(wrong.to(at::kFloat).mean().item<double>() < 1e-3);
  CHECK(codec.decode(at::zeros({0, 4, 4, 6})).sizes() == at::IntArrayRef({0, 3, 32, 48}));
  CHECK_THROWS_AS(codec.decode(at::zeros({4, 4, 6})), InputError);
  CHECK_THROWS_AS(codec.decode(at::zeros({1, 4, 0, 6})), InputError);
  CHECK(codec.decode(at::zeros({0, 4, 0, 6})).sizes() == at::IntArrayRef({0, 3, 0, 48}));
  CHECK_THROWS_AS(codec.encode(images, std::vector<std::int64_t>{3}), Failure);

  // Tiles of 32 pixels, also by the configuration.
  DataConfig tiles = with_weights();
  tiles.codec_tile = 32;
  const auto in_tiles = make_codec(Latent<Narrow>{}, tiles, "cpu");
  const Tensor tiled = in_tiles->encode(images, all);
  const Tensor shown = in_tiles->decode(expected("latents"));
  const Tensor by_network =
      PixelsCodec{}.decode(network().decode(expected("latents") / SDVaeCodec::scale, 32));
  CHECK((shown.to(at::kInt) - by_network.to(at::kInt)).abs().max().item<int>() <= 1);
  CHECK((shown.to(at::kInt) - bytes.to(at::kInt)).abs().max().item<int>() > 4);
  CHECK(relative(tiled, latents) > 0.01);
  CHECK(relative(tiled, network().encode(expected("images"), 32).mean * 0.18215) < 1e-4);
}

TEST_CASE("sd-vae reference: attach packs latents, training reads them, sampling decodes") {
  d2c_test::StageBench bench{
      three_images, {.classes = 2, .latent_channels = 4, .latent_height = 4, .latent_width = 6}};
  bench.make_folders("attach", "select", "denoiser", "sample");
  AttachConfig attach;
  attach.batch = 2;
  bench.sections.set(attach);
  bench.sections.set(DataConfig{});

  // Without weights: named by check, refused when they are needed and not before.
  Problems problems;
  check_stage(NarrowSource{}, bench.context, problems);
  CHECK_THAT(problems.text(),
             Contains("[data] codec_weights: expected the file with the weights of Latent<Narrow> "
                      "(small.safetensors), found no path") &&
                 !Contains("has no network"));
  const auto without = codec_of(NarrowSource{}, bench.sections, "cpu");
  CHECK(without->height(three_images(Split::train)) == 4);
  CHECK_THROWS_WITH(without->decode(at::zeros({1, 4, 4, 6})),
                    Contains("data.codec_weights: expected a file") && Contains("no path"));
  DataConfig foreign;
  foreign.codec_weights = (folder() / "full.safetensors").string();
  bench.sections.set(foreign);
  Problems unfit;
  check_stage(NarrowSource{}, bench.context, unfit);
  CHECK_THAT(unfit.text(), Contains("[data] codec_weights: ") &&
                               Contains("full.safetensors: expected the weights of Stable "
                                        "Diffusion's autoencoder of widths [32, 64, 96, 96], "
                                        "found: mis-shaped "));
  DataConfig wrong = with_weights();
  wrong.codec_tile = 48;
  bench.sections.set(wrong);
  Problems tile;
  check_stage(NarrowSource{}, bench.context, tile);
  CHECK_THAT(tile.text(), Contains("[data] codec_tile: expected 0 or a multiple of 32 pixels, "
                                   "found 48") &&
                              !Contains("codec_weights"));

  bench.sections.set(with_weights());
  const auto codec = codec_of(NarrowSource{}, bench.sections, "cpu");
  const auto context = [&](const char* out) {
    StageContext made{.out = bench.folder / out,
                      .artifacts = {},
                      .sections = bench.sections,
                      .facts = bench.facts,
                      .images = bench.images,
                      .codec = *codec,
                      .device = "cpu",
                      .seed = 5,
                      .progress = bench.progress};
    made.artifacts.set(Subset::name, bench.folder / "select");
    made.artifacts.set(CondensedPack::name, bench.folder / "attach");
    made.artifacts.set(Denoiser::name, bench.folder / "denoiser");
    return made;
  };
  write_subset(bench.folder / "select" / "subset.csv",
               {{"train/2", "", 0, 0}, {"train/1", "", 1, 0}});
  StageContext attaching = context("attach");
  run_stage(Attacher<test_vae::Mean>{}, attaching);
  const PackFile pack{attaching.out};
  CHECK_FALSE(pack.has_images());
  const TrainingSet set = load_training_set(attaching, false, true);
  CHECK(at::equal(set.latents, pack.tensor("latents")));
  for (std::int64_t row = 0; row < 2; ++row) {
    // One image of each class, in the pack's own order.
    const std::int64_t image = set.labels[row].item<std::int64_t>() == 0 ? 2 : 1;
    CHECK(relative(set.latents.slice(0, row, row + 1),
                   expected("scaled").slice(0, image, image + 1)) < 1e-4);
  }

  DiffusionTransformer denoiser({.family = Family::sit,
                                 .size = {.depth = 1, .width = 16, .heads = 1, .patch = 2},
                                 .channels = 4,
                                 .height = 4,
                                 .width = 6,
                                 .classes = 2},
                                at::kCPU, 1);
  const at::NoGradGuard no_grad;
  constexpr std::array<std::int64_t, 1> any{0};
  const Tensor& values = denoiser.parameters().values();
  values.copy_(random_normal({.step = 77}, any, values.sizes())[0] * 0.2);
  write_checkpoint(bench.folder / "denoiser" / "final.safetensors",
                   TrainingState{.step = 1,
                                 .parameters = denoiser.parameters(),
                                 .average = values,
                                 .optimizer = {},
                                 .text_tokens = {},
                                 .text_mask = {},
                                 .network = network_shape_to_json(denoiser.shape()),
                                 .recipe = "test"},
                   true);
  SampleConfig sampling;
  sampling.images_per_class = 2;
  sampling.steps = 3;
  sampling.batch = 3;
  sampling.grid_per_class = 2;
  bench.sections.set(sampling);
  StageContext drawing = context("sample");
  run_stage(Sampler<Euler>{}, drawing);
  const SafetensorsFile samples{drawing.out / "samples.safetensors"};
  const Tensor images = to_tensor(samples, "images");
  CHECK(images.sizes() == at::IntArrayRef({4, 3, 32, 48}));
  CHECK(images.to(at::kFloat).std().item<double>() > 1);
  CHECK(std::filesystem::exists(drawing.out / "grid.png"));
}

TEST_CASE("sd-vae reference: the latent cache is REPA's, read and written") {
  const std::vector<std::int64_t> all{0, 1, 2};
  const RepaLatents theirs{folder() / "vae-sd"};
  REQUIRE(theirs.size() == 3);
  CHECK((theirs.label(0) == 0 && theirs.label(1) == 1 && theirs.label(2) == 0));
  CHECK(at::equal(theirs.moments(all), at::cat({expected("mean"), expected("std")}, 1)));
  CHECK(at::equal(theirs.means(all, {8, 4, 6}), expected("mean")));
  CHECK(theirs.moments(std::vector<std::int64_t>{2}).size(0) == 1);
  CHECK_THROWS_AS(theirs.moments(std::vector<std::int64_t>{3}), Failure);
  CHECK_THROWS_AS(theirs.label(-1), Failure);
  CHECK_THROWS_WITH(theirs.means(all, {8, 4, 8}),
                    Contains("img-mean-std-00000000.npy: expected means and deviations [8, 4, 8] "
                             "of float32, found [8, 4, 6] of F32"));

  const d2c_test::ScratchFolder scratch;
  const SDVaeCodec codec{folder() / files[0], Narrow::shape};
  Progress quiet{true};
  write_repa_latents(scratch / "vae-sd", codec, three_images(Split::train), quiet);
  // A file is what numpy.save writes: its header, then float32.
  const auto head = [](const std::filesystem::path& root) {
    return content(root / "vae-sd/00000/img-mean-std-00000002.npy").substr(0, 128);
  };
  CHECK(head(scratch.path()) == head(folder()));
  CHECK(std::filesystem::file_size(scratch / "vae-sd/00000/img-mean-std-00000002.npy") ==
        128 + 4 * 8 * 4 * 6);
  CHECK(nlohmann::json::parse(content(scratch / "vae-sd/dataset.json")) ==
        nlohmann::json::parse(content(folder() / "vae-sd/dataset.json")));
  const RepaLatents ours{scratch / "vae-sd"};
  CHECK((ours.size() == 3 && ours.label(1) == 1));
  CHECK(at::equal(ours.moments(all), codec.moments(three_images(Split::train), all)));
  CHECK(relative(ours.moments(all), theirs.moments(all)) < 1e-4);

  CHECK_THROWS_WITH(RepaLatents{scratch.path()},
                    Contains("dataset.json") && Contains("found no such file"));
  const auto list = [&](const std::string& text) {
    std::ofstream{scratch / "dataset.json"} << text;
    return RepaLatents{scratch.path()};
  };
  CHECK_THROWS_WITH(list("{}"), Contains("found other text"));
  CHECK_THROWS_WITH(list(R"({"labels": [["../a.npy", 1]]})"), Contains("leads out of the folder"));
  CHECK_THROWS_WITH(list(R"({"labels": [["a.npy"]]})"), Contains("found the entry"));
  CHECK_THROWS_WITH(list(R"({"labels": [["a.npy", 1], ["a.npy", 1]]})"), Contains("a.npy twice"));
  // Values inside of values would end the stack where they are copied or shown.
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  CHECK_THROWS_WITH(list(R"({"labels": [)" + deep + "]}"), Contains("found other text"));
  CHECK_THROWS_WITH(list(R"({"labels": [], "made_from": )" + deep + "}"),
                    Contains("found other text"));
  const std::string wide = "[\"" + std::string(1000, 'w') + "\"]";
  CHECK_THROWS_WITH(
      list("{\"labels\": [" + wide + "]}"),
      Catch::Matchers::EndsWith("found the entry [\"" + std::string(75, 'w') + "..."));
  CHECK_THROWS_AS(list(R"({"labels": [["a.npy", 1]]})").moments(std::vector<std::int64_t>{0}),
                  InputError);
  // Without labels, as REPA writes it: the files in the order of their names.
  const RepaLatents unlabelled = list(R"({"labels": null})");
  REQUIRE(unlabelled.size() == 3);
  CHECK((!unlabelled.list().has_labels() && unlabelled.label(1) == -1));
  CHECK(at::equal(unlabelled.moments(all), ours.moments(all)));
}

TEST_CASE("sd-vae reference: a cache serves the latents that the codec gives, and no others") {
  const d2c_test::ScratchFolder scratch;
  const std::vector<std::int64_t> all{0, 1, 2};
  const std::vector<std::int64_t> some{2, 0};
  ImageSet images = three_images(Split::train);
  images.split = Split::train;
  const SDVaeCodec live{folder() / files[0], Narrow::shape};
  const auto cached = [](const std::filesystem::path& where) {
    return CachedCodec{std::make_unique<SDVaeCodec>(folder() / files[0], Narrow::shape), where};
  };
  CHECK_THROWS_WITH(cached(scratch / "vae-sd").encode(images, all),
                    Contains("data.latent_cache: expected a finished cache in"));

  const LatentCache cache{scratch / "vae-sd"};
  const LatentEncoder encoder{.weights = "a", .tile = 0, .arithmetic = "cpu"};
  Progress quiet{true};
  make_latent_cache(cache, live, images, encoder, quiet);
  check_latent_cache(cache, live, images, encoder);
  CHECK_FALSE(std::filesystem::exists(cache.unfinished_record()));
  const CachedCodec codec = cached(cache.folder());
  CHECK(at::equal(codec.encode(images, all), live.encode(images, all)));
  CHECK(at::equal(codec.encode(images, some), live.encode(images, some)));
  CHECK(codec.encode(images, {}).sizes() == at::IntArrayRef({0, 4, 4, 6}));
  CHECK(at::equal(codec.decode(expected("latents")), live.decode(expected("latents"))));
  CHECK((codec.channels(images) == 4 && codec.height(images) == 4 && codec.width(images) == 6));

  // Images of another set are encoded: the same pixels at other places.
  ImageSet reversed = images;
  std::reverse(reversed.pixels.begin(), reversed.pixels.end());
  reversed.split = Split::test;
  CHECK(at::equal(codec.encode(reversed, all), live.encode(reversed, all)));
  reversed.split = std::nullopt;
  CHECK(at::equal(codec.encode(reversed, all), live.encode(reversed, all)));

  // What does not belong to the cache is refused: by number, label, and pixels of equal labels.
  const auto refused = [&](const ImageSet& others, const std::string& sentence) {
    CHECK_THROWS_WITH(check_latent_cache(cache, live, others, encoder), Contains(sentence));
    CHECK_THROWS_WITH(cached(cache.folder()).encode(others, some), Contains(sentence));
  };
  reversed.split = Split::train;
  refused(reversed, "found those of other images of equal labels");
  ImageSet others = images;
  others.labels = {0, 1, 1};
  refused(others, "dataset.json: expected the label of image train/2, 1, for ");
  CHECK_THROWS_AS(codec.encode(others, some), Failure); // after it was opened for the right ones
  others.labels = {0, 1};
  others.ids = {"train/0", "train/1"};
  refused(others, "dataset.json: expected the latents of the 2 training images of three images, "
                  "found those of 3");

  // One made by NumPy, of which nothing says from what, is taken by its labels.
  const CachedCodec theirs = cached(folder() / "vae-sd");
  CHECK(at::equal(theirs.encode(images, some),
                  expected("mean").index_select(0, at::tensor(some, at::kLong)) * 0.18215));
  check_latent_cache(LatentCache{folder() / "vae-sd"}, live, images, encoder);

  // Damage.
  const auto file = cache.folder() / "00000/img-mean-std-00000001.npy";
  const auto write = [&](const Tensor& moments, DType type) {
    write_npy(file, type, moments.sizes().vec(),
              {static_cast<const std::byte*>(moments.const_data_ptr()), moments.nbytes()});
  };
  const auto broken = [&](const std::string& sentence) {
    CHECK_THROWS_AS(cached(cache.folder()).encode(images, all), InputError);
    CHECK_THROWS_WITH(cached(cache.folder()).encode(images, all),
                      Contains("img-mean-std-00000001.npy") && Contains(sentence));
  };
  write(at::full({8, 4, 6}, std::nanf("")), DType::F32);
  broken("expected finite numbers, found nan");
  for (const auto& [moments, type] : {std::pair{at::zeros({8, 4, 6}, at::kDouble), DType::F64},
                                      std::pair{at::zeros({8, 6, 4}), DType::F32}}) {
    write(moments, type);
    broken("expected means and deviations [8, 4, 6] of float32");
    CHECK_THROWS_WITH(check_latent_cache(cache, live, images, encoder),
                      Contains("expected means and deviations [8, 4, 6] of float32"));
  }
  std::filesystem::remove(file);
  broken("expected a readable file");
}

TEST_CASE("sd-vae reference: an interrupted cache goes on, and never looks complete") {
  const d2c_test::ScratchFolder scratch;
  const ImageSet images = three_images(Split::train);
  const std::vector<std::int64_t> all{0, 1, 2};
  const SDVaeCodec codec{folder() / files[0], Narrow::shape};
  const LatentCache cache{scratch / "vae-sd"};
  const LatentEncoder encoder{.weights = "a", .tile = 0, .arithmetic = "cpu"};
  const auto file = [&](int i) {
    return cache.folder() / ("00000/img-mean-std-0000000" + std::to_string(i) + ".npy");
  };
  Progress quiet{true};
  // A folder in the place of the last file stops the writer there.
  std::filesystem::create_directories(cache.folder());
  std::ofstream{cache.unfinished_record()} << LatentCache::record_of(images, encoder).dump();
  std::filesystem::create_directories(file(2));
  CHECK_THROWS_AS(make_latent_cache(cache, codec, images, encoder, quiet), Failure);
  CHECK_FALSE(cache.is_finished());
  CHECK(cache.key(encoder).empty());
  std::filesystem::remove(file(2));

  // Another codec, or other images, do not go on with these files.
  check_latent_cache(cache, codec, images, encoder);
  const LatentEncoder other{.weights = "b", .tile = 0, .arithmetic = "cpu"};
  CHECK_THROWS_WITH(make_latent_cache(cache, codec, images, other, quiet),
                    Contains("unfinished.json: expected an unfinished cache") &&
                        Contains("found one of other images or another codec"));

  // Whole files stay as they are; a cut one and one of zeros are made again.
  const Tensor kept = at::full({8, 4, 6}, 0.5);
  write_npy(file(0), DType::F32, {8, 4, 6},
            {static_cast<const std::byte*>(kept.const_data_ptr()), kept.nbytes()});
  std::filesystem::resize_file(file(1), 300);
  const Tensor zeros = at::zeros({8, 4, 6});
  write_npy(file(2), DType::F32, {8, 4, 6},
            {static_cast<const std::byte*>(zeros.const_data_ptr()), zeros.nbytes()});
  make_latent_cache(cache, codec, images, encoder, quiet);
  const Tensor made = RepaLatents{cache.folder()}.moments(all);
  CHECK(at::equal(made[0], kept));
  CHECK(at::equal(made.slice(0, 1), codec.moments(images, all).slice(0, 1)));
  CHECK_FALSE(std::filesystem::exists(cache.unfinished_record()));

  // What was made from this codec's weights changes no key; anything else does.
  CHECK(cache.key(encoder).empty());
  CHECK_FALSE(cache.key(other).empty());
  const std::string before = cache.key(other);
  CHECK(before == LatentCache{cache.folder() / ""}.key(other));
  write_npy(file(1), DType::F32, {8, 4, 6},
            {static_cast<const std::byte*>(kept.const_data_ptr()), kept.nbytes()});
  CHECK_FALSE(cache.key(encoder).empty());
  CHECK(cache.key(other) != before);

  // A record of another kind is that of another cache.
  const auto odd_list = d2c_test::written(cache.folder() / RepaList::file_name,
                                          R"({"labels": [], "made_from": {"sample": 5}})");
  CHECK_THAT(cache.key(encoder), Catch::Matchers::StartsWith(hash_of_file(odd_list) + " "));

  // Rewriting takes the list away before anything else.
  std::filesystem::remove(file(0));
  std::filesystem::create_directories(file(0));
  CHECK_THROWS_AS(write_repa_latents(cache.folder(), codec, images, quiet), Failure);
  CHECK_FALSE(cache.is_finished());
  // Files of which nothing says whose latents they hold are not gone on with.
  CHECK_THROWS_WITH(make_latent_cache(cache, codec, images, encoder, quiet),
                    Contains("an empty folder or none, found other files"));
}

namespace {

constexpr TransformerSize tiny{.depth = 1, .width = 16, .heads = 1, .patch = 2};
using OnLatents = Pipeline<Source<NpzImages<2, 32, 48>, Latent<Narrow>>, Selector<Random>,
                           Attacher<test_vae::Mean>, Trainer<SiT<tiny>, FlowMatching, NoAlign>>;
using FromPack =
    Pipeline<From<CondensedPack>, Trainer<SiT<tiny>, FlowMatching, NoAlign, ClassCondition>>;
using ScoredOnLatents = Pipeline<Source<NpzImages<2, 32, 48>, Latent<Narrow>>, Scorer<SiT<tiny>>>;
using OnPixels = Pipeline<Source<NpzImages<2, 32, 48>, Pixels>, Selector<Random>,
                          Trainer<SiT<tiny>, FlowMatching, NoAlign>>;

/// A folder with train.npz and runs of programs on it.
struct Programs {
  d2c_test::ScratchFolder folder;

  Programs() {
    const Tensor planes = at::cat({expected("pixels"), expected("pixels").flip({3})});
    const Tensor pixels = planes.permute({0, 2, 3, 1}).contiguous();
    const std::vector<std::int64_t> labels{0, 1, 0, 1, 0, 1};
    for (const char* split : {"train.npz", "val.npz"}) {
      NpzWriter writer{folder / split};
      writer.begin("arr_0", DType::U8, pixels.sizes().vec());
      writer.append({static_cast<const std::byte*>(pixels.const_data_ptr()), pixels.nbytes()});
      writer.begin("arr_1", DType::I64, {6});
      writer.append(std::as_bytes(std::span{labels}));
      writer.commit();
    }
  }

  /// What the program wrote; `code` is the exit code it must have.
  template <class P>
  std::string call(const std::string& command, const std::string& name, const std::string& data,
                   int code = 0) const {
    std::ofstream{folder / "run.toml"}
        << "[run]\nname = \"" + name + "\"\nout = \"" + (folder / "runs").string() +
               "\"\n[data]\n" + data + "\n[train]\nsteps = 3\nbatch = 2\n[select]\nper_class = 2\n";
    const std::string config = (folder / "run.toml").string();
    const std::array<const char*, 5> arguments{"d2c", command.c_str(), "--config", config.c_str(),
                                               "--quiet"};
    std::FILE* text = std::tmpfile();
    const TorchBackend backend;
    const int found =
        run_program<P>(static_cast<int>(arguments.size()), arguments.data(),
                       {.backend = backend, .write_report = {}, .out = text, .err = text});
    std::rewind(text);
    std::string all;
    for (int c = std::fgetc(text); c != EOF; c = std::fgetc(text)) {
      all += static_cast<char>(c);
    }
    std::fclose(text);
    INFO(all);
    CHECK(found == code);
    return all;
  }

  [[nodiscard]] std::string data(const std::string& more) const {
    return "root = \"" + folder.path().string() + "\"\ncodec_weights = \"" +
           (reference() / files[0]).string() + "\"\n" + more;
  }

  /// Where a finished run's stages lie: equal if and only if nothing was computed anew.
  [[nodiscard]] std::string stages(const std::string& name) const {
    std::string all;
    for (const char* link : {"condensed", "checkpoints"}) {
      all += std::filesystem::canonical(folder / "runs" / name / link).string() + "\n";
    }
    return all;
  }
};

} // namespace

TEST_CASE("sd-vae reference: programs make the cache once, and results do not depend on it") {
  const Programs programs;
  const auto cache = programs.folder / "cache";
  const std::string with_cache = programs.data("latent_cache = \"" + cache.string() + "/\"\n");
  CHECK_THAT(programs.call<OnLatents>("check", "a", with_cache), Contains("no problems found"));
  CHECK_THAT(programs.call<OnLatents>("plan", "a", with_cache), Contains("latents"));
  programs.call<OnLatents>("prepare", "a", with_cache);
  CHECK(RepaList::is_in(cache));
  CHECK(RepaLatents{cache}.size() == 6);
  CHECK_THAT(programs.call<OnLatents>("plan", "a", with_cache), !Contains("latents"));

  // In stores of their own, so that both compute.
  programs.call<OnLatents>("train", "a", with_cache);
  const std::string cached = programs.stages("a");
  const PackFile pack{programs.folder / "runs/a/condensed"};
  const Tensor latents = pack.tensor("latents");
  std::filesystem::rename(programs.folder / "runs", programs.folder / "with");
  programs.call<OnLatents>("train", "a", programs.data(""));
  CHECK(programs.stages("a") == cached);
  CHECK(at::equal(PackFile{programs.folder / "runs/a/condensed"}.tensor("latents"), latents));
  const char* const denoiser = "a/checkpoints/final.safetensors";
  CHECK(content(programs.folder / "runs" / denoiser) ==
        content(programs.folder / "with" / denoiser));

  // Other latents are other results.
  std::ifstream list{cache / "dataset.json"};
  auto json = nlohmann::json::parse(list);
  json.erase("made_from");
  std::ofstream{cache / "dataset.json"} << json.dump();
  programs.call<OnLatents>("train", "b", with_cache);
  CHECK(programs.stages("b") != cached);
  json["labels"][0][1] = 1;
  std::ofstream{cache / "dataset.json"} << json.dump();
  CHECK_THAT(programs.call<OnLatents>("check", "b", with_cache, 2),
             Contains("[data] latent_cache: ") && Contains("expected the label of image"));
  CHECK_THAT(programs.call<OnPixels>("check", "c", with_cache, 2),
             Contains("[data] latent_cache: expected none with Pixels"));
}

TEST_CASE("sd-vae reference: images score the same from a latent cache") {
  const Programs programs;
  const auto cache = programs.folder / "cache";
  const auto scores = [&](const std::string& name, const std::string& more) {
    const std::string few = "[score]\nsteps = 2\nbatch = 2\ncolumns = 2\n";
    programs.call<ScoredOnLatents>("score", name, programs.data(more) + few);
    const std::string table = content(programs.folder / "runs" / name / "scores/scores.csv");
    std::filesystem::remove_all(programs.folder / "runs"); // the next run computes too
    return table;
  };
  const std::string from_images = scores("a", "");
  CHECK(std::count(from_images.begin(), from_images.end(), '\n') == 7); // six images and a title
  const std::string key = "latent_cache = \"" + cache.string() + "\"\n";
  CHECK(scores("b", key) == from_images);
  CHECK(RepaList::is_in(cache));

  // It is the cache that is read.
  std::filesystem::copy_file(cache / "00000/img-mean-std-00000001.npy",
                             cache / "00000/img-mean-std-00000000.npy",
                             std::filesystem::copy_options::overwrite_existing);
  CHECK(scores("c", key) != from_images);
}

TEST_CASE("sd-vae reference: training on a pack of latents needs no weights of the codec") {
  const Programs programs;
  const auto pack = programs.folder / "pack";
  std::filesystem::create_directories(pack);
  save_tensors(pack / "condensed.safetensors",
               {{"labels", at::tensor({0, 1}, at::kLong)}, {"latents", at::randn({2, 4, 4, 4})}});
  const std::string data =
      "dataset = \"npz\"\nclasses = 2\nimage_size = 32\npack = \"" + pack.string() + "\"\n";
  CHECK_THAT(programs.call<FromPack>("check", "a", data), Contains("no problems found"));
  programs.call<FromPack>("train", "a", data);
  CHECK(std::filesystem::exists(programs.folder / "runs/a/checkpoints/final.safetensors"));
  CHECK_THAT(programs.call<FromPack>("check", "a", data + "latent_cache = \"cache\"\n", 2),
             Contains("[data] latent_cache: expected none in a pipeline that begins with a pack"));

  // Its images would have to be encoded, and samples shown.
  save_tensors(pack / "condensed.safetensors", {{"labels", at::tensor({0, 1}, at::kLong)},
                                                {"images", at::zeros({2, 3, 32, 32}, at::kByte)}});
  CHECK_THAT(programs.call<FromPack>("check", "a", data, 2), Contains("[data] codec_weights"));
}

TEST_CASE("sd-vae: each missing, unexpected and mis-shaped tensor stands in one sentence") {
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "vae.safetensors";
  const auto read = [&] { return SDVaeNetwork{WeightsFile{file}, Narrow::shape}; };
  auto weights = load_safetensors(folder() / files[0]);
  const auto whole = weights;
  weights.erase("decoder.up_blocks.2.resnets.0.conv_shortcut.bias");
  weights.erase("encoder.mid_block.attentions.0.to_k.weight");
  weights["quant_conv.weight"] = at::zeros({8, 8});
  weights["encoder.mid_block.attentions.0.key.weight"] = at::zeros({96, 96});
  save_tensors(file, {weights.begin(), weights.end()});
  CHECK_THROWS_AS(read(), InputError);
  CHECK_THROWS_WITH(
      read(), Contains("vae.safetensors: expected the weights of Stable Diffusion's autoencoder of "
                       "widths [32, 64, 96, 96], found: missing ") &&
                  Contains("missing decoder.up_blocks.2.resnets.0.conv_shortcut.bias [64]; ") &&
                  Contains("missing encoder.mid_block.attentions.0.to_k.weight [96, 96]; ") &&
                  Contains("mis-shaped quant_conv.weight, expected [8, 8, 1, 1], found [8, 8]") &&
                  Contains("unexpected encoder.mid_block.attentions.0.key.weight [96, 96]"));

  // The published size is part of the type.
  CHECK_THROWS_WITH((SDVaeNetwork{WeightsFile{folder() / files[2]}, SDVae::shape}),
                    Contains("mis-shaped state_dict.first_stage_model.encoder.conv_in.weight, "
                             "expected [128, 3, 3, 3], found [32, 3, 3, 3]") &&
                        !Contains("missing") && !Contains("diffusion_model"));

  // Types may be narrow.
  auto narrow = whole;
  for (auto& [name, tensor] : narrow) {
    tensor = tensor.to(at::kBFloat16);
  }
  save_tensors(file, {narrow.begin(), narrow.end()});
  const double gap = relative(read().decode(expected("latents")), expected("decoded"));
  CHECK((gap > 1e-4 && gap < 0.2));
}

TEST_CASE("sd-vae reference: names and shapes of the published size in each spelling") {
  std::ifstream text{folder() / "names.json"};
  const nlohmann::json published = nlohmann::json::parse(text);
  const std::map<std::string, SDVaeLayout> layouts = {{"diffusers", SDVaeLayout::diffusers},
                                                      {"deprecated", SDVaeLayout::deprecated},
                                                      {"ldm", SDVaeLayout::ldm}};
  for (const auto& [name, layout] : layouts) {
    INFO(name);
    std::map<std::string, std::vector<std::int64_t>> ours;
    for (const NamedShape& tensor : sd_vae_tensors(SDVae::shape, {layout, ""})) {
      ours[tensor.name] = tensor.shape;
    }
    CHECK(ours == published.at(name).get<std::map<std::string, std::vector<std::int64_t>>>());
  }
}
