// Oracles: transformers' T5EncoderModel and T5Tokenizer on seeded weights and a small vocabulary,
// with the pooling, the dense layer and the normalisation of sentence-transformers written out in
// tests/reference/sentence_t5.py, which also writes the published folders.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <catch.hpp>
#include <nlohmann/json.hpp>
#include <scratch_folder.hpp>
#include <stage_bench.hpp>

#include <d2c/attach/pack_file.hpp>
#include <d2c/attach/run_attacher.hpp>
#include <d2c/encoders/sentence_t5.hpp>
#include <d2c/encoders/sentence_t5_encoder.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/select/subset_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_encoders {

// An encoder of 1.0 cut to the reference's size.
struct TinySentenceT5 : d2c::SentenceT5Facts<d2c::T5Shape{.width = 48,
                                                          .key_width = 8,
                                                          .hidden = 80,
                                                          .heads = 4,
                                                          .layers = 2,
                                                          .gated = false,
                                                          .vocabulary = 640}> {
  static constexpr std::string_view name = "TinySentenceT5";
};

} // namespace test_encoders

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using test_encoders::TinySentenceT5;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/sentence_t5.py wrote to");
  }
  return std::filesystem::path(root) / "sentence_t5";
}

const SafetensorsFile& reference() {
  static const SafetensorsFile file{folder() / "sentence_t5.safetensors"};
  return file;
}

Tensor expected(const std::string& name) {
  return to_tensor(reference(), name);
}

std::vector<std::string> prompts() {
  return nlohmann::json::parse(reference().metadata().at("prompts"))
      .get<std::vector<std::string>>();
}

double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

AttachConfig config_of(const std::filesystem::path& weights) {
  AttachConfig config;
  config.text_weights = weights.string();
  config.text_vocabulary = (folder() / "spiece.model").string();
  return config;
}

Tensor encoded(const std::filesystem::path& weights, const std::vector<std::string>& texts) {
  const EncodedText text =
      make_encoder(TinySentenceT5{}, config_of(weights), at::kCPU)->encode(texts);
  CHECK(at::equal(text.mask, at::ones({static_cast<std::int64_t>(texts.size()), 1})));
  return text.tokens.squeeze(1);
}

} // namespace

TEST_CASE("sentence-t5 reference: vectors of prompts agree from each form of the folder") {
  // More than one batch, and texts cut at 256 pieces.
  REQUIRE(prompts().size() > 64);
  REQUIRE(expected("lengths").max().item<std::int64_t>() == 256);
  const Tensor vectors = encoded(folder() / "new/model.safetensors", prompts());
  CHECK(relative(vectors, expected("vectors")) < 1e-4);
  CHECK(relative(encoded(folder() / "shards/model.safetensors.index.json", prompts()),
                 expected("vectors")) < 1e-4);
  CHECK(relative(encoded(folder() / "published/pytorch_model.bin", prompts()),
                 expected("vectors.half")) < 1e-4);
  // Prompts differ by far more than the tolerance, and the longest that a batch holds is no matter.
  CHECK(relative(vectors.slice(0, 1), vectors.slice(0, 0, -1)) > 0.1);
  CHECK(relative(encoded(folder() / "new/model.safetensors", {prompts()[1]}),
                 expected("vectors").slice(0, 1, 2)) < 1e-4);
  CHECK(relative(vectors.square().sum(1), at::ones({vectors.size(0)})) < 1e-5);
}

TEST_CASE("sentence-t5 reference: the attaching stage stores one token for each class") {
  d2c_test::StageBench bench{[](Split) {
    ImageSet set;
    set.channels = 1;
    set.height = 2;
    set.width = 2;
    set.class_names = {"tench", "goldfish"};
    set.origin = "two images";
    set.pixels = {1, 2, 3, 4, 5, 6, 7, 8};
    set.labels = {0, 1};
    set.ids = {"train/0", "train/1"};
    return set;
  }};
  bench.make_folders("attach", "select");
  bench.context.artifacts.set(Subset::name, bench.folder / "select");
  write_subset(bench.folder / "select" / "subset.csv",
               {{"train/0", "", 0, 0}, {"train/1", "", 1, 0}});
  bench.sections.set(DataConfig{});
  bench.sections.set(AttachConfig{});
  Problems problems;
  check_stage(Attacher<SentenceT5>{}, bench.context, problems);
  REQUIRE(problems.list().size() == 2);
  CHECK_THAT(problems.text(), Contains("expected a file with the weights") &&
                                  Contains("of SentenceT5, found no path"));

  bench.sections.set(config_of(folder() / "published/pytorch_model.bin"));
  Problems none;
  check_stage(Attacher<TinySentenceT5>{}, bench.context, none);
  CHECK(none.empty());
  run_stage(Attacher<TinySentenceT5>{}, bench.context);
  const PackFile pack{bench.context.out};
  REQUIRE(prompts()[1] == "a photo of a goldfish");
  CHECK(relative(pack.tensor("text_tokens").squeeze(1), expected("vectors.half").slice(0, 0, 2)) <
        1e-4);
  CHECK(at::equal(pack.tensor("text_mask"), at::ones({2, 1})));
  std::ifstream in{bench.context.out / "manifest.json"};
  const auto manifest = nlohmann::json::parse(in);
  CHECK(manifest["text_encoder"]["tokens"] == 1);
  CHECK(manifest["text_encoder"]["files"].size() == 5); // weights, three beside them, vocabulary
}

TEST_CASE("sentence-t5: another dense layer or another encoder is refused") {
  const d2c_test::ScratchFolder scratch;
  std::filesystem::copy(folder() / "new", scratch.path(), std::filesystem::copy_options::recursive);
  const auto made = [&] {
    return make_encoder(TinySentenceT5{}, config_of(scratch / "model.safetensors"), at::kCPU);
  };
  CHECK(made()->files().size() == 5);
  const auto dense = scratch / "2_Dense/model.safetensors";
  save_tensors(dense, {{"linear.weight", at::zeros({768, 40})}, {"linear.bias", at::zeros({768})}});
  Problems problems;
  check_encoder(TinySentenceT5{}, config_of(scratch / "model.safetensors"), problems);
  REQUIRE(problems.list().size() == 1);
  CHECK_THAT(problems.text(), Contains("[attach] text_weights: ") &&
                                  Contains("expected the dense layer of Sentence-T5, found: "));
  CHECK_THROWS_WITH(made(), Contains("expected the dense layer of Sentence-T5, found: unexpected "
                                     "linear.bias [768] F32; mis-shaped linear.weight, expected "
                                     "[768, 48], found [768, 40]"));
  save_tensors(dense, {{"weight", at::zeros({768, 48})}});
  CHECK_THROWS_WITH(made(), Contains("missing linear.weight [768, 48]; unexpected weight"));
  std::filesystem::remove(dense);
  CHECK_THROWS_WITH(made(), Contains("found neither model.safetensors nor pytorch_model.bin in"));
  CHECK_THROWS_AS(made(), InputError);
  CHECK_THROWS_WITH(
      make_encoder(SentenceT5Large{}, config_of(folder() / "new/model.safetensors"), at::kCPU),
      Contains("expected the weights of a T5 encoder of width 1024 with 24 blocks"));
}
