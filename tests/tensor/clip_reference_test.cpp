// Oracles: transformers' CLIPModel and CLIPTokenizer on seeded weights and a small vocabulary, run
// by tests/reference/clip.py, which also writes weights and vocabulary in every published form.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
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
#include <d2c/encoders/clip.hpp>
#include <d2c/encoders/clip_encoder.hpp>
#include <d2c/encoders/clip_network.hpp>
#include <d2c/encoders/clip_tensors.hpp>
#include <d2c/encoders/clip_text.hpp>
#include <d2c/encoders/clip_text_encoder.hpp>
#include <d2c/encoders/clip_text_network.hpp>
#include <d2c/encoders/clip_tokenizer.hpp>
#include <d2c/encoders/on_grid.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/select/subset_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_encoders {

inline constexpr d2c::CLIPShape quick_shape{128, 2, 2, 14, 16, 48, true};
inline constexpr d2c::CLIPShape exact_shape{160, 2, 2, 14, 16, 48, false}; // heads of 80
inline constexpr d2c::CLIPTextShape quick_text{64, 3, 1, 644, 48, true};
inline constexpr d2c::CLIPTextShape exact_text{128, 3, 2, 644, 48, false};

// The towers of the reference.
struct Tiny : d2c::CLIPFacts<quick_shape> {
  static constexpr std::string_view name = "Tiny";
};

struct TinyText : d2c::CLIPTextFacts<quick_text> {
  static constexpr std::string_view name = "TinyText";
};

} // namespace test_encoders

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using namespace test_encoders;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/clip.py wrote to");
  }
  return std::filesystem::path(root) / "clip";
}

const SafetensorsFile& reference() {
  static const SafetensorsFile file{folder() / "clip.safetensors"};
  return file;
}

Tensor expected(const std::string& name) {
  return to_tensor(reference(), name);
}

nlohmann::json facts(const std::string& key) {
  return nlohmann::json::parse(reference().metadata().at(key));
}

double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

void compare(const CLIPNetwork::Output& found, const std::string& name) {
  INFO(name);
  CHECK(relative(found.class_token, expected(name + ".class")) < 1e-4);
  CHECK(relative(found.patches, expected(name + ".patches")) < 1e-4);
}

struct Case {
  std::string name;
  CLIPShape shape;
  CLIPTextShape text;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {{"quick", quick_shape, quick_text},
                                         {"exact", exact_shape, exact_text}};
  return list;
}

CLIPNetwork vision(const Case& which, const std::string& ending = ".pt") {
  return {WeightsFile{folder() / (which.name + ending)}, which.shape};
}

AttachConfig config_of(const std::string& weights, const std::string& vocabulary) {
  AttachConfig config;
  config.vision_weights = (folder() / weights).string();
  config.text_weights = config.vision_weights;
  config.text_vocabulary = (folder() / vocabulary).string();
  return config;
}

Tensor tensor_of(const std::vector<std::int64_t>& ids) {
  return at::tensor(at::ArrayRef<std::int64_t>{ids}, at::kLong);
}

} // namespace

TEST_CASE("clip reference: token ids and masks of every text are equal") {
  const auto texts = facts("texts").get<std::vector<std::string>>();
  const Tensor ids = expected("all.ids");
  const Tensor mask = expected("all.mask");
  REQUIRE(texts.size() > 60);
  for (const char* vocabulary : {"vocab.json", "bpe.txt.gz", "merges.txt"}) {
    const CLIPTokenizer tokenizer{folder() / vocabulary};
    CHECK(tokenizer.size() == quick_text.vocabulary);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      INFO(vocabulary << ", text " << i << ": " << texts[i]);
      const auto found = tokenizer.encode(texts[i], 77);
      const auto row = static_cast<std::int64_t>(i);
      CHECK(at::equal(tensor_of(found.ids), ids[row]));
      CHECK(at::equal(tensor_of(found.mask), mask[row]));
    }
  }
}

TEST_CASE("clip reference: every character alone is split as there") {
  const CLIPTokenizer tokenizer{folder() / "vocab.json"};
  const Tensor points = expected("points");
  const Tensor pieces = expected("pieces");
  const auto* point = points.const_data_ptr<std::int32_t>();
  const auto* wanted = pieces.const_data_ptr<std::int32_t>();
  const std::int64_t columns = pieces.size(1);
  REQUIRE(points.numel() > 130'000);
  std::string wrong;
  for (std::int64_t i = 0; i < points.numel(); ++i) {
    std::string text = "a";
    std::array<utf8proc_uint8_t, 4> bytes{};
    const auto size = utf8proc_encode_char(point[i], bytes.data());
    text.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(size));
    const auto found = tokenizer.tokenize(text + "b");
    std::vector<std::int64_t> row;
    for (std::int64_t j = 0; j < columns && wanted[i * columns + j] >= 0; ++j) {
      row.push_back(wanted[i * columns + j]);
    }
    if (found != row) {
      wrong += " " + std::to_string(point[i]);
    }
  }
  CHECK(wrong == "");
}

TEST_CASE("clip reference: tokens of each file, size and position rule agree") {
  for (const Case& which : cases()) {
    for (const char* ending :
         {".pt", ".openclip.bin", ".bin", "/model.safetensors", ".vision/model.safetensors"}) {
      INFO(which.name << ending);
      const CLIPNetwork network = vision(which, ending);
      compare(network.forward(expected("repa.224")), which.name + ".224");
      compare(network.forward(expected("wide")), which.name + ".wide");
      compare(network.forward(expected("wide"), PositionRule::plain), which.name + ".plain");
      compare(network.forward(expected("repa.98")), which.name + ".repa.98");
    }
  }
  // The rules differ by more than any tolerance here, and so do the activations.
  CHECK(relative(expected("quick.plain.patches"), expected("quick.wide.patches")) > 1e-2);
  Case other = cases()[0];
  other.shape.quick_gelu = false;
  CHECK(relative(vision(other).forward(expected("repa.224")).patches,
                 expected("quick.224.patches")) > 1e-3);
}

TEST_CASE("clip reference: states of texts from each file agree") {
  const Tensor ids = expected("ids");
  for (const Case& which : cases()) {
    for (const char* ending :
         {".pt", ".openclip.bin", ".bin", "/model.safetensors", ".text/model.safetensors"}) {
      INFO(which.name << ending);
      const CLIPTextNetwork network{WeightsFile{folder() / (which.name + ending)}, which.text};
      CHECK(relative(network.last_hidden_state(ids), expected(which.name + ".text")) < 1e-4);
    }
  }
  const CLIPTextNetwork network{WeightsFile{folder() / "quick.pt"}, quick_text};
  // What follows a token does not reach it.
  CHECK(relative(network.last_hidden_state(ids.slice(1, 0, 9)),
                 expected("quick.text").slice(1, 0, 9)) < 1e-4);
  CHECK_THROWS_WITH(network.last_hidden_state(at::zeros({1, 78}, at::kLong)),
                    Contains("[1, 78] of Long"));
  CHECK_THROWS_AS(network.last_hidden_state(at::zeros({1, 3})), InputError);
}

TEST_CASE("clip reference: images are prepared in REPA's order") {
  const CLIPNetwork network = vision(cases()[0]);
  CHECK(relative(network.prepare(expected("images"), 16), expected("repa.224")) < 1e-5);
  CHECK(relative(network.prepare(expected("grey"), 7), expected("repa.98")) < 1e-5);
  CHECK_THROWS_WITH(network.prepare(at::zeros({1, 3, 8, 8}), 16),
                    Contains("CLIP: expected images"));
  CHECK_THROWS_WITH(network.forward(at::zeros({1, 3, 224, 230})),
                    Contains("multiples of 14") && Contains("[1, 3, 224, 230]"));
}

TEST_CASE("clip reference: the attaching stage stores the tokens of images and texts") {
  d2c_test::StageBench bench{[](Split) {
    const Tensor images = expected("images").contiguous();
    ImageSet set;
    set.channels = 3;
    set.height = 256;
    set.width = 256;
    set.class_names = {"tench", "goldfish"};
    set.origin = "two images";
    set.pixels.assign(images.const_data_ptr<std::uint8_t>(),
                      images.const_data_ptr<std::uint8_t>() + images.numel());
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

  using Both = Attacher<TinyText, WithClassToken<Tiny>>;
  Problems problems;
  check_stage(Attacher<CLIPText, CLIP>{}, bench.context, problems);
  REQUIRE(problems.list().size() == 3);
  CHECK_THAT(problems.text(),
             Contains("[attach] text_weights: expected a file with the CLIP weights") &&
                 Contains("[attach] text_vocabulary: expected CLIP's vocabulary") &&
                 Contains("[attach] vision_weights: expected a file with the CLIP weights (the "
                          "authors' ViT-L-14.pt") &&
                 Contains("found no path"));

  const AttachConfig config = config_of("quick.pt", "vocab.json");
  bench.sections.set(config);
  Problems none;
  check_stage(Both{}, bench.context, none);
  CHECK(none.empty());
  check_encoder(CLIP{}, config, none); // the file holds another tower
  CHECK(none.list().size() == 1);
  CHECK_THAT(none.text(),
             Contains("[attach] vision_weights: ") &&
                 Contains("quick.pt: expected the weights of CLIP's vision tower of width 1024"));
  run_stage(Both{}, bench.context);
  const PackFile pack{bench.context.out};
  CHECK(relative(pack.tensor("visual_tokens"), expected("quick.224.patches")) < 1e-4);
  CHECK(relative(pack.tensor("class_tokens"), expected("quick.224.class")) < 1e-4);
  const CLIPTokenizer tokenizer{folder() / "vocab.json"};
  const CLIPTextNetwork network{WeightsFile{folder() / "quick.text/model.safetensors"}, quick_text};
  const auto goldfish = tokenizer.encode("a photo of a goldfish", 77);
  CHECK(relative(pack.tensor("text_tokens").slice(0, 1, 2),
                 network.last_hidden_state(tensor_of(goldfish.ids).unsqueeze(0))) < 1e-4);
  CHECK(at::equal(pack.tensor("text_mask")[1], tensor_of(goldfish.mask).to(at::kFloat)));

  // Another grid; every text of the reference, more than go through the network at once.
  CHECK(relative(make_encoder(OnGrid<Tiny, 7>{}, config, at::kCPU)->patch_tokens(expected("grey")),
                 expected("quick.repa.98.patches")) < 1e-4);
  const auto texts = facts("texts").get<std::vector<std::string>>();
  const auto chosen = facts("chosen").get<std::vector<std::int64_t>>();
  REQUIRE(texts.size() > 64);
  const auto encoder = make_encoder(TinyText{}, config_of("quick.bin", "bpe.txt.gz"), at::kCPU);
  const EncodedText text = encoder->encode(texts);
  CHECK(relative(text.tokens.index_select(0, tensor_of(chosen)), expected("quick.text")) < 1e-4);
  CHECK(at::equal(text.mask, expected("all.mask").to(at::kFloat)));
  CHECK(encoder->files() == std::vector{folder() / "quick.bin", folder() / "bpe.txt.gz"});
}

TEST_CASE("clip: each missing, unexpected and mis-shaped tensor and file stands in one sentence") {
  CHECK_THROWS_WITH(
      make_encoder(CLIPB32{}, config_of("quick.pt", "vocab.json"), at::kCPU),
      Contains("quick.pt: expected the weights of CLIP's vision tower of width 768 with 12 blocks "
               "on patches of 32, found: missing ") &&
          Contains("mis-shaped visual.class_embedding, expected [768], found [128]") &&
          Contains("missing visual.transformer.resblocks.11.mlp.c_proj.bias [768]"));
  CHECK_THROWS_WITH(
      (CLIPNetwork{WeightsFile{folder() / "quick.text/model.safetensors"}, quick_shape}),
      Contains("missing visual.class_embedding [128]"));
  CHECK_THROWS_WITH(
      (CLIPTextNetwork{WeightsFile{folder() / "quick.vision/model.safetensors"}, quick_text}),
      Contains("missing token_embedding.weight [644, 64]") &&
          Contains("unexpected pre_layrnorm.weight [128]"));
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "clip.safetensors";
  auto weights = load_safetensors(folder() / "quick/model.safetensors");
  weights.erase("vision_model.pre_layrnorm.bias");
  weights.erase("text_model.encoder.layers.2.mlp.fc2.bias");
  weights["visual_projection.weight"] = at::zeros({48, 127});
  weights["vision_model.head.weight"] = at::zeros({2});
  weights["text_model.encoder.layers.3.mlp.fc2.bias"] = at::zeros({3});
  save_tensors(file, {weights.begin(), weights.end()});
  CHECK_THROWS_WITH((CLIPNetwork{WeightsFile{file}, quick_shape}),
                    Contains("missing vision_model.pre_layrnorm.bias [128]; ") &&
                        Contains("mis-shaped visual_projection.weight, expected [48, 128], found "
                                 "[48, 127]") &&
                        Contains("unexpected vision_model.head.weight [2]") &&
                        !Contains("text_model"));
  CHECK_THROWS_WITH((CLIPTextNetwork{WeightsFile{file}, quick_text}),
                    Contains("text tower of width 64 with 3 blocks, found: missing "
                             "text_model.encoder.layers.2.mlp.fc2.bias [64]; unexpected "
                             "text_model.encoder.layers.3.mlp.fc2.bias [3]"));

  CLIPTextShape wider = quick_text;
  wider.vocabulary = 645;
  weights = load_safetensors(folder() / "quick.text/model.safetensors");
  weights["embeddings.token_embedding.weight"] = at::zeros({645, 64});
  save_tensors(file, {weights.begin(), weights.end()});
  CHECK_THROWS_WITH((CLIPTextEncoder{WeightsFile{file}, folder() / "vocab.json", wider, at::kCPU}),
                    Contains("vocab.json: expected 645 tokens (CLIP), found 644"));

  AttachConfig alone = config_of("quick.pt", "vocab.json");
  alone.text_vocabulary = d2c_test::written(scratch / "vocab.json", "{}").string();
  Problems problems;
  check_encoder(TinyText{}, alone, problems);
  REQUIRE(problems.list().size() == 1);
  CHECK_THAT(problems.text(), Contains("expected the list of pairs beside vocab.json, found no "
                                       "file") &&
                                  Contains("merges.txt"));
}

TEST_CASE("clip: the check opens weights, shards and vocabulary of a text tower") {
  const auto problems_of = [](const AttachConfig& config) {
    Problems problems;
    check_encoder(TinyText{}, config, problems);
    return problems;
  };
  CHECK(problems_of(config_of("quick.bin", "bpe.txt.gz")).empty());
  const d2c_test::ScratchFolder scratch;
  AttachConfig config = config_of("exact.pt", "vocab.json");
  config.text_vocabulary = d2c_test::written(scratch / "pairs.txt", "! !\n").string();
  const Problems wrong = problems_of(config);
  REQUIRE(wrong.list().size() == 2);
  CHECK_THAT(wrong.list()[0].text(),
             Contains("[attach] text_weights: ") &&
                 Contains("expected the weights of CLIP's text tower of width 64 with 3 blocks, "
                          "found: mis-shaped "));
  CHECK_THAT(wrong.list()[1].text(),
             Contains("[attach] text_vocabulary: ") &&
                 Contains("pairs.txt: expected 644 tokens (CLIP), found 515"));

  // A tower in shards, one of which is missing.
  auto rest = load_safetensors(folder() / "quick.text/model.safetensors");
  const std::string words = "embeddings.token_embedding.weight";
  save_tensors(scratch / "one.safetensors", {{words, rest.at(words)}});
  rest.erase(words);
  save_tensors(scratch / "two.safetensors", {rest.begin(), rest.end()});
  nlohmann::json map{{words, "one.safetensors"}};
  for (const auto& [name, tensor] : rest) {
    map[name] = "two.safetensors";
  }
  config = config_of("quick.pt", "vocab.json");
  config.text_weights = d2c_test::written(scratch / "model.safetensors.index.json",
                                          nlohmann::json{{"weight_map", map}}.dump())
                            .string();
  CHECK(problems_of(config).empty());
  std::filesystem::remove(scratch / "two.safetensors");
  const Problems missing = problems_of(config);
  REQUIRE(missing.list().size() == 1);
  CHECK_THAT(missing.text(),
             Contains("[attach] text_weights: ") && Contains("no file two.safetensors"));
}

TEST_CASE("clip reference: names and shapes of transformers' ViT-L/14 are those expected here") {
  auto published = facts("published").get<std::map<std::string, std::vector<std::int64_t>>>();
  const CLIPBlockNames layout{CLIPLayout::transformers, "vision_model."};
  std::map<std::string, std::vector<std::int64_t>> ours{{"logit_scale", {}}};
  for (const NamedShape& tensor : clip_tensors(clip_shapes::L14, {layout})) {
    ours.emplace(tensor.name, tensor.shape);
  }
  for (const NamedShape& tensor :
       clip_text_tensors(clip_shapes::text_L, {{CLIPLayout::transformers, "text_model."}})) {
    ours.emplace(tensor.name, tensor.shape);
  }
  // Buffers that this version of transformers does not save any more.
  CHECK(ours.erase("vision_model.embeddings.position_ids") == 1);
  CHECK(ours.erase("text_model.embeddings.position_ids") == 1);
  CHECK(ours == published);
}
