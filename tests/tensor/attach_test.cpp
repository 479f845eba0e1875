// The attaching stage end to end with encoders of the test's own, whose tokens are known by hand.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <csignal>

#include <catch.hpp>
#include <child_process.hpp>
#include <nlohmann/json.hpp>
#include <scratch_folder.hpp>
#include <stage_bench.hpp>

#include <d2c/app/stage_store.hpp>
#include <d2c/attach/pack_file.hpp>
#include <d2c/attach/prompt.hpp>
#include <d2c/attach/run_attacher.hpp>
#include <d2c/core/artifact.hpp>
#include <d2c/encoders/with_class_token.hpp>
#include <d2c/select/subset_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_encoders {

using d2c::Tensor;

int calls_until_kill = 0; // of the encoders below; 0: never

inline void count_call() {
  if (calls_until_kill > 0 && --calls_until_kill == 0) {
    std::raise(SIGKILL);
  }
}

// Tokens: the length of the prompt, everywhere. Mask: the first token only.
struct PromptLength {
  using role = d2c::roles::text_encoder;
  static constexpr std::string_view name = "PromptLength";
  static constexpr int tokens = 3;
  static constexpr int width = 2;
  static constexpr auto provides = d2c::set_of<d2c::TextTokens>;
};

int text_encoders = 0;  // alive
int beside_vision = -1; // as many as were alive when the last vision encoder was made

struct PromptLengthEncoder : d2c::TextEncoder {
  PromptLengthEncoder() { ++text_encoders; }

  ~PromptLengthEncoder() override { --text_encoders; }

  d2c::EncodedText encode(const std::vector<std::string>& prompts) const override {
    count_call();
    const auto n = static_cast<std::int64_t>(prompts.size());
    const Tensor tokens = at::empty({n, 3, 2});
    for (std::int64_t i = 0; i < n; ++i) {
      tokens[i].fill_(static_cast<double>(prompts[static_cast<std::size_t>(i)].size()));
    }
    return {tokens, at::tensor({1.0F, 0.0F, 0.0F}).expand({n, 3})};
  }

  std::vector<std::filesystem::path> files() const override { return {}; }
};

inline std::unique_ptr<d2c::TextEncoder> make_encoder(PromptLength, const d2c::AttachConfig&,
                                                      at::Device) {
  return std::make_unique<PromptLengthEncoder>();
}

// Tokens: the means of the upper and of the lower half of the image.
template <int Tokens>
struct Halves {
  using role = d2c::roles::vision_encoder;
  static constexpr std::string_view name = "Halves";
  static constexpr int tokens = Tokens;
  static constexpr int width = 1;
  static constexpr auto provides = d2c::set_of<d2c::VisualTokens>;
};

struct HalvesEncoder : d2c::VisionEncoder {
  Tensor patch_tokens(const Tensor& images) const override {
    count_call();
    return images.to(at::kFloat).view({images.size(0), 2, -1}).mean(2, true);
  }

  std::vector<std::filesystem::path> files() const override { return {}; }
};

template <int Tokens>
std::unique_ptr<d2c::VisionEncoder> make_encoder(Halves<Tokens>, const d2c::AttachConfig&,
                                                 at::Device) {
  beside_vision = text_encoders;
  return std::make_unique<HalvesEncoder>();
}

// The same with a class token: the brightest pixel, `Width` times.
template <int Width>
struct Brightest {
  using role = d2c::roles::vision_encoder;
  static constexpr std::string_view name = "Brightest";
  static constexpr int tokens = 2;
  static constexpr int width = 1;
  static constexpr auto class_token = d2c::ClassTokenOrigin::own;
  static constexpr auto provides = d2c::set_of<d2c::VisualTokens>;
};

template <int Width>
struct BrightestEncoder : HalvesEncoder {
  d2c::VisualFeatures features(const Tensor& images) const override {
    return {patch_tokens(images),
            images.to(at::kFloat).flatten(1).amax(1, true).expand({-1, Width}).contiguous()};
  }
};

template <int Width>
std::unique_ptr<d2c::VisionEncoder> make_encoder(Brightest<Width>, const d2c::AttachConfig&,
                                                 at::Device) {
  return std::make_unique<BrightestEncoder<Width>>();
}

// The same with class tokens that are views into a storage of their own, which is counted.
struct CountedViews : Brightest<1> {};

int storages = 0;      // alive
int most_storages = 0; // as many as were alive when one was made

struct CountedViewsEncoder : HalvesEncoder {
  d2c::VisualFeatures features(const Tensor& images) const override {
    most_storages = std::max(most_storages, ++storages);
    auto* const values = new std::vector<float>(3 * static_cast<std::size_t>(images.size(0)));
    const Tensor all = at::from_blob(
        values->data(), {images.size(0), 3, 1},
        [values](void*) {
          delete values;
          --storages;
        },
        at::TensorOptions(at::kFloat));
    all.select(1, 0).copy_(images.to(at::kFloat).flatten(1).amax(1, true));
    return {patch_tokens(images), all.select(1, 0)};
  }
};

inline std::unique_ptr<d2c::VisionEncoder> make_encoder(CountedViews, const d2c::AttachConfig&,
                                                        at::Device) {
  return std::make_unique<CountedViewsEncoder>();
}

// Encoders that are right but for one thing.
enum class Fault { sizes, dtype, not_finite, missing };

template <Fault F>
struct FaultyText : PromptLength {};

template <Fault F>
struct FaultyTextEncoder : PromptLengthEncoder {
  d2c::EncodedText encode(const std::vector<std::string>& prompts) const override {
    d2c::EncodedText text = PromptLengthEncoder::encode(prompts);
    switch (F) {
    case Fault::sizes:
      text.tokens = at::cat({text.tokens, text.tokens.slice(1, 0, 1)}, 1);
      break;
    case Fault::dtype:
      text.tokens = text.tokens.to(at::kDouble);
      break;
    case Fault::not_finite:
      text.tokens[1][2][0] = std::numeric_limits<float>::infinity();
      break;
    case Fault::missing:
      text.mask = Tensor{};
      break;
    }
    return text;
  }
};

template <Fault F>
std::unique_ptr<d2c::TextEncoder> make_encoder(FaultyText<F>, const d2c::AttachConfig&,
                                               at::Device) {
  return std::make_unique<FaultyTextEncoder<F>>();
}

template <Fault F>
struct FaultyVision : Brightest<1> {};

template <Fault F>
struct FaultyVisionEncoder : BrightestEncoder<1> {
  Tensor patch_tokens(const Tensor& images) const override {
    const Tensor tokens = HalvesEncoder::patch_tokens(images);
    return F == Fault::dtype        ? tokens.to(at::kDouble)
           : F == Fault::not_finite ? tokens / 0.0
                                    : tokens;
  }

  d2c::VisualFeatures features(const Tensor& images) const override {
    return {patch_tokens(images), Tensor{}};
  }
};

template <Fault F>
std::unique_ptr<d2c::VisionEncoder> make_encoder(FaultyVision<F>, const d2c::AttachConfig&,
                                                 at::Device) {
  return std::make_unique<FaultyVisionEncoder<F>>();
}

// Types without a function make_encoder.
struct UnwrittenText {
  using role = d2c::roles::text_encoder;
  static constexpr std::string_view name = "UnwrittenText";
  static constexpr int tokens = 16;
  static constexpr int width = 2048;
  static constexpr std::string_view vocabulary = "spiece.model";
  static constexpr auto provides = d2c::set_of<d2c::TextTokens>;
};

struct UnwrittenVision {
  using role = d2c::roles::vision_encoder;
  static constexpr std::string_view name = "UnwrittenVision";
  static constexpr int tokens = 256;
  static constexpr int width = 768;
  static constexpr auto class_token = d2c::ClassTokenOrigin::own;
  static constexpr auto provides = d2c::set_of<d2c::VisualTokens>;
};

} // namespace test_encoders

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using test_encoders::Brightest;
using test_encoders::CountedViews;
using test_encoders::FaultyText;
using test_encoders::FaultyVision;
using test_encoders::Halves;
using test_encoders::PromptLength;
using test_encoders::UnwrittenText;
using test_encoders::UnwrittenVision;

ImageSet six_images(Split) {
  ImageSet images;
  images.channels = 1;
  images.height = 2;
  images.width = 2;
  images.class_names = {"Bag", "Sandal"};
  images.origin = "six images";
  for (int i = 0; i < 6; ++i) {
    for (int pixel = 0; pixel < 4; ++pixel) {
      images.pixels.push_back(static_cast<std::uint8_t>(10 * i + pixel));
    }
    images.labels.push_back(i / 3);
    images.ids.push_back("train/" + std::to_string(i));
  }
  return images;
}

// A stage context in a folder of its own, with a subset of images 2, 3 and 5.
struct Fixture : d2c_test::StageBench {
  Fixture() : StageBench(six_images) {
    make_folders("attach", "select");
    subset({{"train/2", "", 0, 0}, {"train/3", "", 1, 0}, {"train/5", "", 1, 1}});
    context.artifacts.set(Subset::name, folder / "select");
    sections.set(DataConfig{});
    AttachConfig config;
    config.batch = 2;
    sections.set(config);
  }

  void subset(const std::vector<SubsetRow>& rows) const {
    write_subset(folder / "select" / "subset.csv", rows);
  }
};

bool same(const Tensor& found, const Tensor& expected) {
  return found.scalar_type() == expected.scalar_type() && at::equal(found, expected);
}

} // namespace

TEST_CASE("prompt: every {} becomes the class name") {
  CHECK(class_prompt("a photo of a {}", "Bag") == "a photo of a Bag");
  CHECK(class_prompt("{}: {}", "{}") == "{}: {}");
  CHECK_THROWS_WITH(class_prompt("a photo", "Bag"), Contains("data.prompt") && Contains("a photo"));
}

TEST_CASE("attach: the pack holds images, labels and both kinds of tokens, by hand") {
  Fixture fixture;
  run_stage(Attacher<PromptLength, Halves<2>>{}, fixture.context);
  const PackFile pack{fixture.context.out};
  CHECK(pack.size() == 3);
  CHECK(same(pack.tensor("labels"), at::tensor({0, 1, 1}, at::kLong)));
  CHECK(same(pack.tensor("images").flatten(),
             at::tensor({20, 21, 22, 23, 30, 31, 32, 33, 50, 51, 52, 53}, at::kByte)));
  CHECK(same(pack.tensor("visual_tokens").flatten(),
             at::tensor({20.5F, 22.5F, 30.5F, 32.5F, 50.5F, 52.5F})));
  CHECK(same(pack.tensor("text_tokens").select(2, 0),
             at::tensor({16.0F, 16.0F, 16.0F, 19.0F, 19.0F, 19.0F}).view({2, 3})));
  CHECK(same(pack.tensor("text_mask"),
             at::tensor({1.0F, 0.0F, 0.0F, 1.0F, 0.0F, 0.0F}).view({2, 3})));

  std::ifstream in{fixture.context.out / "manifest.json"};
  const auto manifest = nlohmann::json::parse(in);
  CHECK(manifest["ids"] == nlohmann::json({"train/2", "train/3", "train/5"}));
  CHECK(manifest["prompts"] == nlohmann::json({"a photo of a Bag", "a photo of a Sandal"}));
  CHECK(manifest["text_encoder"]["name"] == "PromptLength");
  CHECK(manifest["vision_encoder"]["tokens"] == 2);
}

TEST_CASE("attach: images of a folder whose name is not UTF-8 are attached") {
  Fixture fixture;
  fixture.images = [](Split split) {
    ImageSet images = six_images(split);
    images.origin = "caf\xe9";
    return images;
  };
  run_stage(Attacher<Halves<2>>{}, fixture.context);
  std::ifstream in{fixture.context.out / "manifest.json"};
  CHECK(nlohmann::json::parse(in)["origin"] == "caf\ufffd");
}

TEST_CASE("attach: the text encoder is gone before the vision encoder is made") {
  Fixture fixture;
  test_encoders::beside_vision = -1;
  run_stage(Attacher<PromptLength, Halves<2>>{}, fixture.context);
  CHECK(test_encoders::beside_vision == 0);
  CHECK(test_encoders::text_encoders == 0);
}

TEST_CASE("attach: class tokens are stored where the encoder attaches them, by hand") {
  Fixture fixture;
  run_stage(Attacher<Brightest<1>>{}, fixture.context);
  CHECK_FALSE(PackFile{fixture.context.out}.has_class_tokens());
  run_stage(Attacher<PromptLength, WithClassToken<Brightest<1>>>{}, fixture.context);
  const PackFile pack{fixture.context.out};
  CHECK(pack.has_class_tokens());
  CHECK(same(pack.tensor("class_tokens"), at::tensor({23.0F, 33.0F, 53.0F}).view({3, 1})));
  CHECK(same(pack.tensor("visual_tokens").flatten(),
             at::tensor({20.5F, 22.5F, 30.5F, 32.5F, 50.5F, 52.5F})));
  CHECK(same(pack.tensor("images").flatten(),
             at::tensor({20, 21, 22, 23, 30, 31, 32, 33, 50, 51, 52, 53}, at::kByte)));
  std::ifstream in{fixture.context.out / "manifest.json"};
  const auto manifest = nlohmann::json::parse(in);
  CHECK(manifest["vision_encoder"]["name"] == "WithClassToken<Brightest>");
  CHECK(manifest["vision_encoder"]["class_token"] == "own");

  CHECK_THROWS_WITH(run_stage(Attacher<WithClassToken<Brightest<3>>>{}, fixture.context),
                    Contains("attaching with WithClassToken<Brightest>: expected class tokens "
                             "[2, 1] of float32 on the CPU, found [2, 3] of Float on cpu"));
  Problems problems;
  check_stage(Attacher<WithClassToken<UnwrittenVision>>{}, fixture.context, problems);
  CHECK_THAT(problems.text(), Contains("attaching with WithClassToken<UnwrittenVision>"));
}

TEST_CASE("attach: class tokens that are views keep no batch's storage alive") {
  for (const int batch : {1, 2}) {
    INFO("batch " << batch);
    Fixture fixture;
    AttachConfig config;
    config.batch = batch;
    fixture.sections.set(config);
    test_encoders::most_storages = 0;
    run_stage(Attacher<WithClassToken<CountedViews>>{}, fixture.context);
    CHECK(test_encoders::most_storages == 1);
    CHECK(test_encoders::storages == 0);
    CHECK(same(PackFile{fixture.context.out}.tensor("class_tokens"),
               at::tensor({23.0F, 33.0F, 53.0F}).view({3, 1})));
  }
}

TEST_CASE("attach: a pack without encoders holds images and labels alone") {
  Fixture fixture;
  run_stage(Attacher<>{}, fixture.context);
  const PackFile pack{fixture.context.out / PackFile::file_name};
  CHECK(pack.has_images());
  CHECK_FALSE(pack.has_text());
  CHECK_FALSE(pack.has_visual());
  CHECK_THROWS_WITH(pack.tensor("visual_tokens"), Contains("visual_tokens"));
}

TEST_CASE("attach: the same inputs give the same bytes, whatever the batch") {
  Fixture fixture;
  run_stage(Attacher<PromptLength, Halves<2>>{}, fixture.context);
  const auto first = hash_of_file(fixture.context.out / PackFile::file_name);
  AttachConfig config;
  config.batch = 64;
  fixture.sections.set(config);
  run_stage(Attacher<PromptLength, Halves<2>>{}, fixture.context);
  CHECK(hash_of_file(fixture.context.out / PackFile::file_name) == first);
}

TEST_CASE("attach child", "[.]") {
  Fixture fixture;
  fixture.context.out = StageStore(d2c_test::child_folder() / "store").prepare("attach", "key");
  test_encoders::calls_until_kill = d2c_test::child_number();
  run_stage(Attacher<PromptLength, Halves<2>>{}, fixture.context);
}

TEST_CASE("attach: killed part way, nothing is taken as done and the next run ends alike") {
  Fixture whole;
  run_stage(Attacher<PromptLength, Halves<2>>{}, whole.context);
  const std::string pack = d2c_test::content(whole.context.out / PackFile::file_name);
  const std::string manifest = d2c_test::content(whole.context.out / "manifest.json");
  // Before the file is begun, with its first tensors written, and with half of the visual tokens.
  for (int call = 1; call <= 3; ++call) {
    INFO("killed in call " << call << " of an encoder");
    Fixture fixture;
    REQUIRE(
        d2c_test::was_killed(d2c_test::start_child("attach child", fixture.folder.path(), call)));
    const StageStore store(fixture.folder / "store");
    const auto out = store.folder("attach", "key");
    REQUIRE(std::filesystem::is_directory(out));
    CHECK_FALSE(store.inspect("attach", "key").record);
    CHECK_FALSE(std::filesystem::exists(out / PackFile::file_name));
    CHECK(std::filesystem::is_empty(out) == (call == 1)); // else the half file
    fixture.context.out = store.prepare("attach", "key");
    CHECK(std::filesystem::is_empty(out));
    run_stage(Attacher<PromptLength, Halves<2>>{}, fixture.context);
    CHECK(d2c_test::content(out / PackFile::file_name) == pack);
    CHECK(d2c_test::content(out / "manifest.json") == manifest);
    // Killed between the two files, it writes both again.
    std::filesystem::remove(out / "manifest.json");
    CHECK_FALSE(store.inspect("attach", "key").record);
    run_stage(Attacher<PromptLength, Halves<2>>{}, fixture.context);
    CHECK(d2c_test::content(out / PackFile::file_name) == pack);
    CHECK(d2c_test::content(out / "manifest.json") == manifest);
  }
}

TEST_CASE("attach: ids that the data set lacks, and wrong classes, are refused") {
  Fixture fixture;
  fixture.subset({{"train/9", "", 0, 0}});
  CHECK_THROWS_WITH(run_stage(Attacher<>{}, fixture.context),
                    Contains("subset.csv") && Contains("train/9") && Contains("six images"));
  fixture.subset({{"train/2", "", 1, 0}});
  CHECK_THROWS_WITH(run_stage(Attacher<>{}, fixture.context),
                    Contains("train/2 in class 0") && Contains("found class 1"));
  CHECK_FALSE(std::filesystem::exists(fixture.context.out / PackFile::file_name));
}

TEST_CASE("attach: an encoder that breaks its own facts is a failure, and leaves no pack") {
  Fixture fixture;
  CHECK_THROWS_WITH(run_stage(Attacher<Halves<5>>{}, fixture.context),
                    Contains("attaching with Halves: expected patch tokens [2, 5, 1] of float32 "
                             "on the CPU, found [2, 2, 1] of Float on cpu"));
  CHECK(std::filesystem::is_empty(fixture.context.out));
  const auto refused = [&](const char* what, const auto& stage) {
    INFO(what);
    CHECK_THROWS_WITH(run_stage(stage, fixture.context), Contains(what));
    CHECK_THROWS_AS(run_stage(stage, fixture.context), Failure);
    CHECK(std::filesystem::is_empty(fixture.context.out));
  };
  using enum test_encoders::Fault;
  refused("expected text tokens [2, 3, 2] of float32 on the CPU, found [2, 4, 2]",
          Attacher<FaultyText<sizes>>{});
  refused("expected text tokens [2, 3, 2] of float32 on the CPU, found [2, 3, 2] of Double",
          Attacher<FaultyText<dtype>>{});
  refused("expected text tokens that are finite, found others", Attacher<FaultyText<not_finite>>{});
  refused("expected the mask of text tokens [2, 3] of float32 on the CPU, found none",
          Attacher<FaultyText<missing>>{});
  refused("expected patch tokens [2, 2, 1] of float32 on the CPU, found [2, 2, 1] of Double",
          Attacher<FaultyVision<dtype>>{});
  refused("expected patch tokens that are finite, found others",
          Attacher<FaultyVision<not_finite>>{});
  refused("expected class tokens [2, 1] of float32 on the CPU, found none",
          Attacher<WithClassToken<FaultyVision<missing>>>{});
}

TEST_CASE("attach: encoders without a network say in one sentence what is missing") {
  Fixture fixture;
  CHECK_THROWS_AS((run_stage(Attacher<UnwrittenText, UnwrittenVision>{}, fixture.context)),
                  InputError);
  CHECK_THROWS_WITH((run_stage(Attacher<UnwrittenText, UnwrittenVision>{}, fixture.context)),
                    Contains("[d2c.encoder.network] attaching with UnwrittenText"));
  Problems problems;
  check_stage(Attacher<UnwrittenText, UnwrittenVision>{}, fixture.context, problems);
  CHECK(problems.list().size() == 5); // a network and the weights of each, and a vocabulary
  CHECK_THAT(problems.text(), Contains("attaching with UnwrittenText") &&
                                  Contains("attaching with UnwrittenVision") &&
                                  Contains("[attach] text_weights") &&
                                  Contains("[attach] text_vocabulary: expected the vocabulary "
                                           "(spiece.model) of UnwrittenText, found no path") &&
                                  Contains("[attach] vision_weights"));
}

TEST_CASE("attach: check names every problem of the section at once") {
  Fixture fixture;
  AttachConfig config;
  config.batch = 0;
  config.text_weights = "/nonexistent/model.safetensors";
  config.text_vocabulary = "/nonexistent/vocab.txt";
  fixture.sections.set(config);
  DataConfig data;
  data.prompt = "a photo";
  fixture.sections.set(data);
  Problems problems;
  check_stage(Attacher<MiniLM>{}, fixture.context, problems);
  CHECK(problems.list().size() == 4);
  CHECK_THAT(problems.text(), Contains("/nonexistent/model.safetensors") &&
                                  Contains("/nonexistent/vocab.txt") &&
                                  Contains("[attach] batch") && Contains("[data] prompt"));
}

TEST_CASE("pack: files that are no condensed pack are refused in one sentence") {
  const d2c_test::ScratchFolder folder;
  const auto file = folder / "pack.safetensors";
  const Tensor images = at::zeros({2, 1, 4, 4}, at::kByte);
  const Tensor labels = at::zeros({2}, at::kLong);
  save_tensors(file, {{"labels", labels}});
  CHECK_THROWS_WITH(PackFile{file}, Contains("either images or latents, found neither"));
  save_tensors(file, {{"labels", labels.slice(0, 0, 1)}, {"images", images}});
  CHECK_THROWS_WITH(PackFile{file}, Contains("\"labels\"") && Contains("2") && Contains("found 1"));
  save_tensors(file, {{"labels", labels.to(at::kFloat)}, {"images", images}});
  CHECK_THROWS_WITH(PackFile{file}, Contains("I64") && Contains("found F32"));
  save_tensors(file,
               {{"labels", labels}, {"images", images}, {"text_tokens", at::zeros({3, 2, 2})}});
  CHECK_THROWS_WITH(PackFile{file}, Contains("text_mask"));
  save_tensors(file,
               {{"labels", labels}, {"images", images}, {"visual_tokens", at::zeros({3, 2, 2})}});
  CHECK_THROWS_WITH(PackFile{file}, Contains("visual_tokens") && Contains("found 3"));
  save_tensors(file, {{"labels", labels},
                      {"images", images},
                      {"class_tokens", at::zeros({2, 5})},
                      {"visual_tokens", at::zeros({2, 2, 4})}});
  CHECK_THROWS_WITH(PackFile{file}, Contains("class_tokens") && Contains("found 5"));
}
