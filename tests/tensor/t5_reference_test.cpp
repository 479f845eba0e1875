// Oracles: transformers' T5EncoderModel and T5Tokenizer and the sentencepiece package on seeded
// weights and a small vocabulary, run by tests/reference/t5.py, which also writes the weights in
// every published form.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <catch.hpp>
#include <nlohmann/json.hpp>
#include <scratch_folder.hpp>
#include <stage_bench.hpp>

#include <d2c/attach/pack_file.hpp>
#include <d2c/attach/run_attacher.hpp>
#include <d2c/encoders/sentencepiece.hpp>
#include <d2c/encoders/sentencepiece_check.hpp>
#include <d2c/encoders/t5.hpp>
#include <d2c/encoders/t5_encoder.hpp>
#include <d2c/encoders/t5_network.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/models/tensor_differences.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/select/subset_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_encoders {

inline constexpr d2c::T5Shape relu_shape{.width = 48,
                                         .key_width = 8,
                                         .hidden = 80,
                                         .heads = 4,
                                         .layers = 2,
                                         .gated = false,
                                         .vocabulary = 640};
inline constexpr d2c::T5Shape gated_shape{.width = 40,
                                          .key_width = 8,
                                          .hidden = 56,
                                          .heads = 6,
                                          .layers = 3,
                                          .gated = true,
                                          .vocabulary = 640};

// A network of 1.1 cut to the reference's size.
struct TinyT5 : d2c::T5Facts<gated_shape> {
  static constexpr std::string_view name = "TinyT5";
};

} // namespace test_encoders

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using test_encoders::gated_shape;
using test_encoders::relu_shape;
using test_encoders::TinyT5;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/t5.py wrote to");
  }
  return std::filesystem::path(root) / "t5";
}

const SafetensorsFile& reference() {
  static const SafetensorsFile file{folder() / "t5.safetensors"};
  return file;
}

Tensor expected(const std::string& name) {
  return to_tensor(reference(), name);
}

std::vector<std::string> texts(const std::string& key) {
  return nlohmann::json::parse(reference().metadata().at(key)).get<std::vector<std::string>>();
}

double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

struct Case {
  std::string name;
  T5Shape shape;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {{"relu", relu_shape}, {"gated", gated_shape}};
  return list;
}

T5Network network(const Case& which, const std::string& ending = "/model.safetensors") {
  return {WeightsFile{folder() / (which.name + ending)}, which.shape};
}

AttachConfig config_of(const std::string& weights) {
  AttachConfig config;
  config.text_weights = (folder() / weights).string();
  config.text_vocabulary = (folder() / "spiece.model").string();
  return config;
}

} // namespace

TEST_CASE("t5 reference: token ids and masks of prompts are equal") {
  const SentencePiece tokenizer{folder() / "spiece.model"};
  const auto prompts = texts("plain");
  const Tensor ids = expected("ids");
  const Tensor mask = expected("mask");
  REQUIRE(ids.sizes() == at::IntArrayRef({static_cast<std::int64_t>(prompts.size()), 16}));
  REQUIRE(prompts.size() > 60);
  bool cut = false;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto found = tokenizer.encode(prompts[i], 16);
    const auto* row = ids.const_data_ptr<std::int64_t>() + 16 * i;
    const auto* mask_row = mask.const_data_ptr<std::int64_t>() + 16 * i;
    INFO("prompt " << i << ": \"" << prompts[i] << "\"");
    CHECK(found.ids == std::vector<std::int64_t>(row, row + 16));
    CHECK(found.mask == std::vector<std::int64_t>(mask_row, mask_row + 16));
    cut = cut || tokenizer.tokenize(prompts[i]).size() > 15;
  }
  CHECK(cut);
  // By hand: nothing but the end token; and no room for more.
  CHECK(tokenizer.encode("", 3).ids == std::vector<std::int64_t>{1, 0, 0});
  CHECK(tokenizer.encode("", 3).mask == std::vector<std::int64_t>{1, 0, 0});
  CHECK(tokenizer.encode(prompts[0], 1).ids == std::vector<std::int64_t>{1});
  CHECK_THROWS_AS(tokenizer.encode("a", 0), InputError);
}

TEST_CASE("t5 reference: ids of odd texts are those of the library") {
  const SentencePiece tokenizer{folder() / "spiece.model"};
  const auto odd = texts("odd");
  for (std::size_t i = 0; i < odd.size(); ++i) {
    const Tensor ids = expected("odd." + std::string(i < 10 ? "0" : "") + std::to_string(i));
    const auto* row = ids.const_data_ptr<std::int64_t>();
    INFO("text " << i << ": \"" << odd[i] << "\"");
    CHECK(tokenizer.tokenize(odd[i]) == std::vector<std::int64_t>(row, row + ids.numel()));
  }
  // Broken bytes are unknown characters, and neighbours merge into one, by hand.
  auto broken = tokenizer.tokenize("a ");
  broken.push_back(tokenizer.tokenize("\xff").front()); // the space before it
  broken.push_back(2);
  CHECK(tokenizer.tokenize("a \xff\xfe") == broken);
}

TEST_CASE("t5: files that are no vocabulary of T5 are refused in one sentence") {
  const d2c_test::ScratchFolder scratch;
  const auto file = d2c_test::written(scratch / "spiece.model", "no vocabulary");
  CHECK_THROWS_WITH(SentencePiece{file}, Contains("spiece.model: expected a SentencePiece"));
  CHECK_THROWS_AS(SentencePiece{file}, InputError);
  d2c_test::written(file, "");
  CHECK_THROWS_AS(SentencePiece{file}, InputError);
  const std::string whole = d2c_test::content(folder() / "spiece.model");
  d2c_test::written(file, whole.substr(0, whole.size() / 2));
  CHECK_THROWS_AS(SentencePiece{file}, InputError);
  CHECK_THROWS_AS(SentencePiece{scratch / "none.model"}, InputError);
  CHECK_THROWS_WITH(SentencePiece{folder() / "other.model"},
                    Contains("padding 0, end 1, unknown 2") &&
                        Contains("found padding -1, end 2, unknown 0"));
}

TEST_CASE("t5: a damaged vocabulary is refused or read, and never read beyond") {
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "spiece.model";
  const std::string whole = d2c_test::content(folder() / "spiece.model");
  std::mt19937 random{4};
  int refused = 0;
  for (int i = 0; i < 150; ++i) {
    std::string damaged = whole;
    for (auto bytes = 1 + random() % 20; bytes > 0; --bytes) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    d2c_test::written(file, damaged);
    try {
      const SentencePiece tokenizer{file};
      for (const std::string& text : texts("odd")) {
        CHECK(tokenizer.encode(text, 16).ids.size() == 16);
      }
    } catch (const InputError&) {
      ++refused;
    }
  }
  CHECK(refused > 20);
  CHECK(refused < 150);

  // A tag of five bytes of which the library keeps 32 bits: it would read the field 3.
  const std::string long_tag("\x9a\x80\x80\x80\x10\0", 6);
  const std::string short_tag("\x1a\0", 2);
  d2c_test::written(file, whole + long_tag);
  CHECK_THROWS_AS(SentencePiece{file}, InputError);
  CHECK(sentencepiece_problem(std::as_bytes(std::span{long_tag})) == "bytes that are no message");
  CHECK(sentencepiece_problem(std::as_bytes(std::span{short_tag})).empty());

  // By hand: one unit without a step leads back to the array's begin; any larger step leaves it.
  const auto replacements = [](std::uint32_t unit, const std::string& text) {
    std::string table(4 + 1024, '\0');
    const std::uint32_t size = 1024;
    std::memcpy(table.data(), &size, 4);
    std::memcpy(table.data() + 4, &unit, 4);
    table += text;
    return sentencepiece_detail::bounded_replacements(std::as_bytes(std::span{table}));
  };
  const std::string closed("a\0", 2);
  CHECK(replacements(0, closed));
  CHECK(replacements(255U << 10, closed));
  CHECK_FALSE(replacements(256U << 10, closed));
  CHECK_FALSE(replacements((1U << 10) | (1U << 9), closed)); // an offset in blocks
  CHECK_FALSE(replacements(0, "a"));
  CHECK(replacements((1U << 10) | (1U << 8), closed)); // the value 0 of unit 1
  CHECK_FALSE(replacements((1U << 10) | (1U << 8), ""));
}

TEST_CASE("t5 reference: hidden states agree to 1e-4 from every form of the files") {
  for (const Case& which : cases()) {
    for (const char* ending : {"/model.safetensors", ".shards/model.safetensors.index.json",
                               ".tied/model.safetensors.index.json", ".alias.safetensors", ".bin",
                               ".bins/pytorch_model.bin.index.json"}) {
      INFO(which.name << ending);
      const T5Network read = network(which, ending);
      CHECK(relative(read.last_hidden_state(expected("ids"), expected("mask")),
                     expected(which.name + ".states")) < 1e-4);
    }
    const T5Network operators{WeightsFile{folder() / (which.name + "/model.safetensors")},
                              which.shape, at::kCPU, BlockPath::operators};
    CHECK(relative(operators.last_hidden_state(expected("ids"), expected("mask")),
                   expected(which.name + ".states")) < 1e-4);
    const T5Network half = network(which, ".half.safetensors");
    CHECK(relative(half.last_hidden_state(expected("ids"), expected("mask")),
                   expected(which.name + ".half")) < 1e-4);
    // 200 tokens reach every bucket; padding is 0, 69 and 199 tokens long.
    const T5Network read = network(which);
    CHECK(relative(read.last_hidden_state(expected("long.ids"), expected("long.mask")),
                   expected(which.name + ".long")) < 1e-4);
    CHECK_THROWS_WITH(read.last_hidden_state(at::zeros({2, 3}, at::kLong), at::zeros({2, 4})),
                      Contains("[2, 3]") && Contains("[2, 4]"));
    const Tensor ids = expected("ids");
    const Tensor mask = expected("mask");
    // How ids and mask lie in memory is no matter.
    const auto transposed = [](const Tensor& rows) { return rows.t().contiguous().t(); };
    REQUIRE_FALSE(transposed(mask).is_contiguous());
    CHECK(relative(read.last_hidden_state(transposed(ids), transposed(mask)),
                   expected(which.name + ".states")) < 1e-4);
    // What stands in the padding does not reach the text.
    const Tensor other = at::where(mask.to(at::kBool), ids, at::full_like(ids, 7));
    const auto text = mask.to(at::kFloat).unsqueeze(2);
    CHECK(relative(read.last_hidden_state(other, mask) * text,
                   read.last_hidden_state(ids, mask) * text) < 1e-6);
  }
}

TEST_CASE("t5 reference: a block of published width, stored in bfloat16, agrees to 1e-4") {
  const auto block = [](T5Shape shape) {
    shape.layers = 1;
    shape.vocabulary = 640;
    return shape;
  };
  for (const Case& which :
       {Case{"xl", block(t5_shapes::v11_xl)}, Case{"b3", block(t5_shapes::b3)}}) {
    const WeightsFile file{folder() / (which.name + ".block.safetensors")};
    REQUIRE(file.dtype("shared.weight") == DType::BF16);
    for (const BlockPath path : {BlockPath::automatic, BlockPath::operators}) {
      INFO(which.name);
      const T5Network read{file, which.shape, at::kCPU, path};
      CHECK(relative(read.last_hidden_state(expected("ids").slice(0, 0, 8),
                                            expected("mask").slice(0, 0, 8)),
                     expected(which.name + ".block")) < 1e-4);
    }
  }
}

TEST_CASE("t5 reference: buckets of relative positions and totals are transformers' own") {
  const Tensor distances = expected("distances");
  const Tensor buckets = expected("buckets");
  for (std::int64_t i = 0; i < distances.numel(); ++i) {
    const auto distance = distances.const_data_ptr<std::int64_t>()[i];
    INFO(distance);
    CHECK(t5_bucket(distance) == buckets.const_data_ptr<std::int64_t>()[i]);
  }
  using namespace t5_shapes;
  const std::map<std::string, T5Shape> sizes = {
      {"small", small}, {"b3", b3}, {"v11_small", v11_small}, {"v11_xl", v11_xl}};
  for (const auto& [name, shape] : sizes) {
    std::int64_t tensors = 0;
    std::int64_t parameters = 0;
    for (const NamedShape& tensor : t5_tensors(shape)) {
      ++tensors;
      parameters += tensor.count();
    }
    INFO(name);
    CHECK(at::equal(expected("total." + name), at::tensor({tensors, parameters}, at::kLong)));
  }
}

TEST_CASE("t5 reference: the attaching stage stores the tokens and masks of the prompts") {
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
  check_stage(Attacher<T5>{}, bench.context, problems);
  REQUIRE(problems.list().size() == 2);
  CHECK_THAT(
      problems.text(),
      Contains("[attach] text_weights: expected a file with the weights") &&
          Contains("of T5, found no path") &&
          Contains("[attach] text_vocabulary: expected the vocabulary (spiece.model) of T5"));

  bench.sections.set(config_of("gated.shards/model.safetensors.index.json"));
  Problems none;
  check_stage(Attacher<TinyT5>{}, bench.context, none);
  CHECK(none.empty());
  run_stage(Attacher<TinyT5>{}, bench.context);
  const PackFile pack{bench.context.out};
  // The first two prompts of the reference are those of these classes.
  REQUIRE(texts("plain")[1] == "a photo of a goldfish");
  CHECK(relative(pack.tensor("text_tokens"), expected("gated.states").slice(0, 0, 2)) < 1e-4);
  CHECK(at::equal(pack.tensor("text_mask"), expected("mask").slice(0, 0, 2).to(at::kFloat)));
  std::ifstream in{bench.context.out / "manifest.json"};
  const auto manifest = nlohmann::json::parse(in);
  CHECK(manifest["text_encoder"]["name"] == "TinyT5");
  CHECK(manifest["text_encoder"]["files"].size() == 9); // the index, seven shards, the vocabulary

  // More prompts than go through the network at once.
  auto prompts = texts("plain");
  const auto encoder = make_encoder(TinyT5{}, config_of("gated.bin"), at::kCPU);
  REQUIRE(prompts.size() > 64);
  const EncodedText text = encoder->encode(prompts);
  CHECK(relative(text.tokens, expected("gated.states")) < 1e-4);
  CHECK(at::equal(text.mask, expected("mask").to(at::kFloat)));
}

TEST_CASE("t5: each missing, unexpected and mis-shaped tensor stands in one sentence") {
  CHECK_THROWS_WITH(network({"gated", relu_shape}),
                    Contains("expected the weights of a T5 encoder of width 48 with 2 blocks and "
                             "ReLU (1.0), found: missing ") &&
                        Contains("mis-shaped shared.weight, expected [640, 48], found [640, 40]") &&
                        Contains("missing encoder.block.1.layer.1.DenseReluDense.wi.weight "
                                 "[80, 48]; ") &&
                        Contains("unexpected encoder.block.0.layer.1.DenseReluDense.wi_1.weight "
                                 "[56, 40]") &&
                        Contains("unexpected encoder.block.2.layer.0.layer_norm.weight [40]"));
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "t5.safetensors";
  auto weights = load_safetensors(folder() / "relu/model.safetensors");
  const auto refused = [&](const std::string& what) {
    save_tensors(file, {weights.begin(), weights.end()});
    CHECK_THROWS_WITH((T5Network{WeightsFile{file}, relu_shape}), Contains(what));
    CHECK_THROWS_AS((T5Network{WeightsFile{file}, relu_shape}), InputError);
  };
  weights["encoder.embed_tokens.weight"] = weights["shared.weight"] + 1;
  refused("shared.weight and encoder.embed_tokens.weight to be one tensor");
  weights["encoder.embed_tokens.weight"] = at::zeros({3, 48});
  refused("mis-shaped encoder.embed_tokens.weight, expected [640, 48], found [3, 48]");
  weights.erase("encoder.embed_tokens.weight");
  // The name of the decoder serves where it alone is left.
  weights["decoder.embed_tokens.weight"] = weights["shared.weight"];
  weights.erase("shared.weight");
  save_tensors(file, {weights.begin(), weights.end()});
  const T5Network read{WeightsFile{file}, relu_shape};
  CHECK(relative(read.last_hidden_state(expected("ids"), expected("mask")),
                 expected("relu.states")) < 1e-4);
  weights.erase("decoder.embed_tokens.weight");
  refused("missing shared.weight [640, 48]");

  // The check says it before anything runs, and all of it.
  Problems problems;
  AttachConfig wrong = config_of("relu/model.safetensors");
  wrong.text_vocabulary = (folder() / "other.model").string();
  check_encoder(TinyT5{}, wrong, problems);
  REQUIRE(problems.list().size() == 2);
  CHECK_THAT(problems.list()[0].text(),
             Contains("[attach] text_weights: ") &&
                 Contains("expected the weights of a T5 encoder of width 40 with 3 blocks and "
                          "GEGLU (1.1), found: missing "));
  CHECK_THAT(problems.list()[1].text(), Contains("[attach] text_vocabulary: ") &&
                                            Contains("expected a vocabulary of T5 (padding 0"));

  T5Shape few = gated_shape;
  few.vocabulary = 9;
  CHECK_THROWS_WITH(
      (T5Encoder{folder() / "gated.bin", folder() / "none.model", gated_shape, 16, at::kCPU}),
      Contains("none.model"));
  auto cut = load_safetensors(folder() / "gated/model.safetensors");
  cut["shared.weight"] = cut["shared.weight"].slice(0, 0, 9).clone();
  save_tensors(file, {cut.begin(), cut.end()});
  CHECK_THROWS_WITH((T5Encoder{file, folder() / "spiece.model", few, 16, at::kCPU}),
                    Contains("spiece.model: expected at most 9 pieces (T5), found"));
}

TEST_CASE("weights: an index must list the tensors of its shards") {
  const d2c_test::ScratchFolder scratch;
  save_tensors(scratch / "one.safetensors", {{"a", at::ones({2})}, {"x", at::ones({1})}});
  save_tensors(scratch / "two.safetensors", {{"b", at::zeros({3})}});
  const auto index = scratch / "w.safetensors.index.json";
  d2c_test::written(index, R"({"weight_map": {"a": "one.safetensors", "x": "one.safetensors",
                                              "b": "two.safetensors"}})");
  const WeightsFile whole{index};
  CHECK(whole.names() == std::vector<std::string>{"a", "x", "b"});
  CHECK(whole.files() ==
        std::vector{index, scratch / "one.safetensors", scratch / "two.safetensors"});
  CHECK(at::equal(whole.read("b"), at::zeros({3})));
  CHECK(whole.shape("a") == std::vector<std::int64_t>{2});
  CHECK((whole.has("x") && !whole.has("c")));
  CHECK_THROWS_AS(whole.read("c"), InputError);

  // A name without a tensor, as tied weights leave it, is no tensor of the file.
  d2c_test::written(index, R"({"weight_map": {"a": "one.safetensors", "x": "one.safetensors",
                                              "alias": "one.safetensors",
                                              "b": "two.safetensors"}})");
  const WeightsFile tied{index};
  CHECK(tied.names() == whole.names());
  CHECK_FALSE(tied.has("alias"));
  CHECK_THROWS_AS(tied.read("alias"), InputError);
  TensorDifferences differences{tied};
  differences.expect({"alias", {2}});
  CHECK_THROWS_WITH(differences.raise("both"), Contains("found: missing alias [2]"));

  d2c_test::written(index, R"({"weight_map": {"a": "one.safetensors", "x": "two.safetensors",
                                              "c": "three.safetensors"}})");
  CHECK_THROWS_WITH(WeightsFile{index},
                    Contains("w.safetensors.index.json: expected the shards that it lists") &&
                        Contains("unlisted x in one.safetensors") &&
                        Contains("no file three.safetensors") &&
                        Contains("unlisted b in two.safetensors"));
  AttachConfig config = config_of("spiece.model");
  config.text_weights = index.string();
  Problems problems;
  check_encoder(TinyT5{}, config, problems);
  REQUIRE(problems.list().size() == 1);
  CHECK_THAT(problems.text(), Contains("[attach] text_weights: ") &&
                                  Contains("expected the shards that it lists") &&
                                  Contains("no file three.safetensors"));
  CHECK_THROWS_WITH(make_encoder(TinyT5{}, config, at::kCPU), Contains("three.safetensors"));
}
