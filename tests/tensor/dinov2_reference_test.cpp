// Oracles: transformers' Dinov2Model and Dinov2WithRegistersModel and timm's vision transformers on
// seeded weights, run by tests/reference/dinov2.py, which also writes the weights in the three
// published layouts.

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
#include <d2c/encoders/dinov2.hpp>
#include <d2c/encoders/dinov2_encoder.hpp>
#include <d2c/encoders/dinov2_network.hpp>
#include <d2c/encoders/with_class_token_encoder.hpp>
#include <d2c/encoders/with_positions.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/select/subset_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_encoders {

// The published S, cut to the two blocks that the reference wrote.
struct Shallow : d2c::DINOv2Facts<d2c::DINOv2Shape{.width = 384, .depth = 2}> {
  static constexpr std::string_view name = "Shallow";
};

} // namespace test_encoders

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using test_encoders::Shallow;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/dinov2.py wrote to");
  }
  return std::filesystem::path(root) / "dinov2";
}

Tensor expected(const std::string& name) {
  static const SafetensorsFile file{folder() / "dinov2.safetensors"};
  return to_tensor(file, name);
}

double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  return wanted.numel() == 0 ? 0.0
                             : ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

void compare(const DINOv2Network::Output& found, const std::string& name) {
  INFO(name);
  CHECK(relative(found.class_token, expected(name + ".class")) < 1e-4);
  CHECK(relative(found.registers, expected(name + ".registers")) < 1e-4);
  CHECK(relative(found.patches, expected(name + ".patches")) < 1e-4);
}

struct Case {
  std::string name;
  DINOv2Shape shape;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {"small", {.width = 384, .depth = 2}},
      {"registers", {.width = 384, .depth = 2, .registers = 4}},
      {"swiglu", {.width = 192, .depth = 3, .swiglu = true}},
      {"both", {.width = 192, .depth = 2, .registers = 4, .swiglu = true}}};
  return list;
}

constexpr const char* endings[] = {".pth", ".transformers.safetensors", ".timm.safetensors"};

DINOv2Network network(const Case& which, const char* ending = ".pth") {
  return {WeightsFile{folder() / (which.name + ending)}, which.shape};
}

std::map<std::string, Tensor> weights(const std::string& file) {
  return load_safetensors(folder() / file);
}

} // namespace

TEST_CASE("dinov2 reference: tokens of each layout, size and position rule agree") {
  for (const Case& which : cases()) {
    // 14 x 20 patches: rows and columns must not change places.
    const PositionRule rule =
        which.shape.registers > 0 ? PositionRule::antialiased : PositionRule::plain;
    for (const char* ending : endings) {
      INFO(which.name << ending);
      const DINOv2Network read = network(which, ending);
      compare(read.forward(expected("wide"), rule), which.name + ".transformers");
      compare(read.forward(expected("wide")), which.name + ".timm");
      compare(read.forward(expected("repa.98")), which.name + ".timm.98");
      compare(read.forward(expected("repa.224")), which.name + ".repa");
    }
  }
  const DINOv2Network small = network(cases()[0]);
  compare(small.forward(expected("wide"), PositionRule::offset), "small.authors");
  for (const PositionRule rule :
       {PositionRule::antialiased, PositionRule::plain, PositionRule::offset}) {
    CHECK(at::equal(small.positions(37, 37, rule), small.positions(37, 37, PositionRule::plain)));
  }
  compare(small.forward(expected("whole")), "small.whole");
  // The rules differ by more than any tolerance here.
  const auto of = [&](PositionRule rule) { return small.positions(16, 16, rule); };
  CHECK(relative(of(PositionRule::plain), of(PositionRule::antialiased)) > 0.05);
  CHECK(relative(of(PositionRule::plain), of(PositionRule::offset)) > 0.02);
}

TEST_CASE("dinov2 reference: images are prepared in REPA's order") {
  const DINOv2Network small = network(cases()[0]);
  CHECK(relative(small.prepare(expected("images"), 16), expected("repa.224")) < 1e-5);
  CHECK(relative(small.prepare(expected("grey"), 7), expected("repa.98")) < 1e-5);
  CHECK_THROWS_WITH(small.prepare(at::zeros({1, 2, 8, 8}, at::kByte), 16),
                    Contains("[1, 2, 8, 8]"));
  CHECK_THROWS_WITH(small.prepare(at::zeros({1, 3, 8, 8}), 16), Contains("Float"));
  CHECK_THROWS_WITH(small.forward(at::zeros({1, 3, 224, 230})), Contains("[1, 3, 224, 230]"));
}

TEST_CASE("dinov2 reference: the attaching stage stores REPA's patch tokens and the class token") {
  d2c_test::StageBench bench{[](Split) {
    const Tensor images = expected("images").contiguous();
    ImageSet set;
    set.channels = 3;
    set.height = 256;
    set.width = 256;
    set.class_names = {"one"};
    set.origin = "two images";
    set.pixels.assign(images.const_data_ptr<std::uint8_t>(),
                      images.const_data_ptr<std::uint8_t>() + images.numel());
    set.labels = {0, 0};
    set.ids = {"train/0", "train/1"};
    return set;
  }};
  bench.make_folders("attach", "select");
  bench.context.artifacts.set(Subset::name, bench.folder / "select");
  write_subset(bench.folder / "select" / "subset.csv",
               {{"train/0", "", 0, 0}, {"train/1", "", 0, 1}});
  bench.sections.set(DataConfig{});
  AttachConfig config;
  config.batch = 1;
  bench.sections.set(config);

  Problems problems;
  check_stage(Attacher<WithClassToken<DINOv2>>{}, bench.context, problems);
  REQUIRE(problems.list().size() == 1);
  CHECK_THAT(problems.text(), Contains("[attach] vision_weights: expected") &&
                                  Contains("dinov2_vitb14_pretrain.pth") && Contains("no path"));

  config.vision_weights = (folder() / "small.pth").string();
  bench.sections.set(config);
  Problems none;
  check_stage(Attacher<Shallow>{}, bench.context, none);
  CHECK(none.empty());
  // check reads the names of the file, not only whether it is there.
  Problems deeper;
  check_stage(Attacher<WithClassToken<DINOv2S>>{}, bench.context, deeper);
  CHECK(deeper.list().size() == 1);
  CHECK_THAT(deeper.text(), Contains("[attach] vision_weights: ") &&
                                Contains("small.pth: expected the weights of DINOv2 of width 384 "
                                         "with 12 blocks") &&
                                Contains("missing blocks.2.norm1.weight [384]"));
  run_stage(Attacher<WithClassToken<Shallow>>{}, bench.context);
  const PackFile pack{bench.context.out};
  CHECK(relative(pack.tensor("visual_tokens"), expected("small.repa.patches")) < 1e-4);
  CHECK(relative(pack.tensor("class_tokens"), expected("small.repa.class")) < 1e-4);

  // The grid of a smaller denoiser, grey images; and without the class token.
  const Tensor tokens =
      make_encoder(OnGrid<Shallow, 7>{}, config, at::kCPU)->patch_tokens(expected("grey"));
  CHECK(relative(tokens, expected("small.timm.98.patches")) < 1e-4);

  // Another rule for the positions is another type, and the manifest says which.
  using Plain = WithPositions<Shallow, PositionRule::plain>;
  run_stage(Attacher<WithClassToken<Plain>>{}, bench.context);
  const PackFile plain{bench.context.out};
  CHECK(relative(plain.tensor("visual_tokens"), expected("small.plain.patches")) < 1e-4);
  CHECK(relative(plain.tensor("class_tokens"), expected("small.plain.class")) < 1e-4);
  CHECK(relative(expected("small.plain.patches"), expected("small.repa.patches")) > 1e-2);
  std::ifstream manifest{bench.context.out / "manifest.json"};
  CHECK(nlohmann::json::parse(manifest)["vision_encoder"]["name"] ==
        "WithClassToken<WithPositions<Shallow, plain>>");
  CHECK(relative(make_encoder(WithPositions<Shallow, PositionRule::offset>{}, config, at::kCPU)
                     ->patch_tokens(expected("images")),
                 expected("small.offset.patches")) < 1e-4);

  AttachConfig elsewhere;
  elsewhere.vision_weights = "/nonexistent/w.pth";
  CHECK_THROWS_WITH(make_encoder(DINOv2gRegisters{}, elsewhere, at::kCPU),
                    Contains("attach.vision_weights: expected a file with the DINOv2 weights "
                             "(dinov2_vitg14_reg4_pretrain.pth") &&
                        Contains("no file \"/nonexistent/w.pth\""));
  CHECK_THROWS_WITH(
      make_encoder(DINOv2S{}, config, at::kCPU),
      Contains("small.pth: expected the weights of DINOv2 of width 384 with 12 "
               "blocks and 0 registers, found: missing blocks.10.attn.proj.bias [384]") &&
          Contains("missing blocks.2.norm1.weight [384]") &&
          Contains("missing blocks.11.ls2.gamma [384]"));
}

TEST_CASE("dinov2: check names a shard that is not there") {
  const d2c_test::ScratchFolder scratch;
  AttachConfig config;
  config.vision_weights = (scratch / "model.safetensors.index.json").string();
  std::ofstream{config.vision_weights}
      << R"({"weight_map": {"cls_token": "model-00001-of-00001.safetensors"}})";
  Problems problems;
  check_encoder(DINOv2{}, config, problems);
  CHECK(problems.list().size() == 1);
  CHECK_THAT(problems.text(), Contains("[attach] vision_weights: ") &&
                                  Contains("no file model-00001-of-00001.safetensors"));
}

TEST_CASE("dinov2: each missing, unexpected and mis-shaped tensor stands in one sentence") {
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "dinov2.safetensors";
  const auto read = [&](const DINOv2Shape& shape) {
    return DINOv2Network{WeightsFile{file}, shape};
  };
  auto wrong = weights("small.transformers.safetensors");
  wrong.erase("encoder.layer.1.attention.attention.key.bias");
  wrong.erase("layernorm.weight");
  wrong["encoder.layer.0.mlp.fc1.weight"] = at::zeros({1536, 383});
  wrong["pooler.dense.weight"] = at::zeros({2, 2});
  save_tensors(file, {wrong.begin(), wrong.end()});
  CHECK_THROWS_WITH(read(cases()[0].shape),
                    Contains("dinov2.safetensors: expected the weights of DINOv2") &&
                        Contains("missing encoder.layer.1.attention.attention.key.bias [384]; ") &&
                        Contains("missing layernorm.weight [384]; ") &&
                        Contains("mis-shaped encoder.layer.0.mlp.fc1.weight, expected [1536, 384], "
                                 "found [1536, 383]") &&
                        Contains("unexpected pooler.dense.weight [2, 2]"));
  CHECK_THROWS_AS(read(cases()[0].shape), InputError);

  // Behind a prefix, other heads do not matter; the mask token may be absent; types may be narrow.
  std::map<std::string, Tensor> headed{{"classifier.weight", at::zeros({2, 2})}};
  for (const auto& [name, tensor] : weights("small.transformers.safetensors")) {
    if (name != "embeddings.mask_token") {
      headed["dinov2." + name] = tensor.to(at::kBFloat16);
    }
  }
  save_tensors(file, {headed.begin(), headed.end()});
  const auto found = read(cases()[0].shape).forward(expected("repa.224"));
  const double gap = relative(found.patches, expected("small.repa.patches"));
  CHECK((gap > 1e-5 && gap < 0.1));

  // Registers are part of the type, in both directions.
  CHECK_THROWS_WITH(
      (DINOv2Network{WeightsFile{folder() / "registers.timm.safetensors"}, cases()[0].shape}),
      Contains("mis-shaped pos_embed, expected [1, 1370, 384], found [1, 1369, 384]") &&
          Contains("unexpected reg_token [1, 4, 384]"));
  CHECK_THROWS_WITH((DINOv2Network{WeightsFile{folder() / "small.pth"}, cases()[1].shape}),
                    Contains("missing register_tokens [1, 4, 384]"));
}

TEST_CASE("dinov2 reference: timm's totals of every published size") {
  using namespace dinov2_shapes;
  const std::map<std::string, DINOv2Shape> sizes = {
      {"small", S}, {"base", B}, {"large", L}, {"giant", g}};
  for (const auto& [name, plain] : sizes) {
    for (const bool registers : {false, true}) {
      std::int64_t tensors = 0;
      std::int64_t parameters = 0;
      for (const NamedShape& tensor :
           dinov2_tensors(registers ? with_registers(plain) : plain, {DINOv2Layout::timm, ""})) {
        ++tensors;
        parameters += tensor.count();
      }
      INFO(name << (registers ? " with registers" : ""));
      CHECK(at::equal(expected("total." + name + (registers ? "_reg4" : "")),
                      at::tensor({tensors, parameters}, at::kLong)));
    }
  }
}
