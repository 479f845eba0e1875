// Oracles: transformers' DINOv3ViTModel and DINOv3ViTImageProcessor and timm's Eva on seeded
// weights, run by tests/reference/dinov3.py, which also writes the weights in the three published
// layouts.

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>
#include <stage_bench.hpp>

#include <d2c/attach/pack_file.hpp>
#include <d2c/attach/run_attacher.hpp>
#include <d2c/encoders/dinov3.hpp>
#include <d2c/encoders/dinov3_encoder.hpp>
#include <d2c/encoders/dinov3_network.hpp>
#include <d2c/encoders/with_class_token_encoder.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/select/subset_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_encoders {

// The published S, cut to the two blocks that the reference wrote.
struct ShallowDINOv3 : d2c::DINOv3Facts<d2c::DINOv3Shape{.width = 384, .depth = 2, .heads = 6}> {
  static constexpr std::string_view name = "ShallowDINOv3";
};

} // namespace test_encoders

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using test_encoders::ShallowDINOv3;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/dinov3.py wrote to");
  }
  return std::filesystem::path(root) / "dinov3";
}

Tensor expected(const std::string& name) {
  static const SafetensorsFile file{folder() / "dinov3.safetensors"};
  return to_tensor(file, name);
}

double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

void compare(const DINOv3Network::Output& found, const std::string& name) {
  INFO(name);
  CHECK(relative(found.class_token, expected(name + ".class")) < 1e-4);
  CHECK(relative(found.registers, expected(name + ".registers")) < 1e-4);
  CHECK(relative(found.patches, expected(name + ".patches")) < 1e-4);
}

struct Case {
  std::string name;
  DINOv3Shape shape;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {"mlp", ShallowDINOv3::shape},
      {"swiglu", {.width = 192, .depth = 3, .heads = 3, .swiglu = true}},
      {"teacher",
       {.width = 256, .depth = 2, .heads = 2, .ratio = 2, .swiglu = true, .biases = false}}};
  return list;
}

DINOv3Network network(const std::string& file, const DINOv3Shape& shape) {
  return {WeightsFile{folder() / file}, shape};
}

} // namespace

TEST_CASE("dinov3 reference: tokens of each layout and size agree") {
  for (const Case& which : cases()) {
    for (const char* ending : {".pth", ".transformers.safetensors", ".timm.safetensors"}) {
      INFO(which.name << ending);
      const DINOv3Network read = network(which.name + ending, which.shape);
      for (const std::string size : {"wide", "small"}) { // 6 x 10 and 7 x 7 patches
        const auto found = read.forward(expected(size));
        compare(found, which.name + ".transformers." + size);
        compare(found, which.name + ".timm." + size);
      }
    }
  }
  const DINOv3Shape& shape = ShallowDINOv3::shape;
  compare(network("mlp.memory.safetensors", shape).forward(expected("wide")),
          "mlp.transformers.wide");
  compare(network("mlp.plain.safetensors", shape).forward(expected("wide")), "mlp.plain");
  // Periods in bfloat16 differ by more than the tolerance here, so both rules are told apart.
  compare(network("mlp.periods.pth", shape).forward(expected("wide")), "mlp.periods");
  CHECK(relative(expected("mlp.periods.patches"), expected("mlp.transformers.wide.patches")) >
        2e-4);
}

TEST_CASE("dinov3 reference: images are prepared as transformers does where nothing is resized") {
  const DINOv3Network read = network("mlp.pth", ShallowDINOv3::shape);
  CHECK(relative(read.prepare(expected("images"), 16), expected("whole")) < 1e-5);
  CHECK(relative(read.prepare(expected("grey"), 7), expected("small")) < 1e-5);
  CHECK_THROWS_WITH(read.prepare(at::zeros({1, 2, 8, 8}, at::kByte), 16), Contains("[1, 2, 8, 8]"));
  CHECK_THROWS_WITH(read.forward(at::zeros({1, 3, 224, 232})), Contains("[1, 3, 224, 232]"));
  CHECK_THROWS_AS(read.forward(at::zeros({1, 3, 16, 8})), InputError);
}

TEST_CASE("dinov3 reference: the attaching stage stores patch tokens and the class token") {
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
  check_stage(Attacher<WithClassToken<DINOv3>>{}, bench.context, problems);
  REQUIRE(problems.list().size() == 1);
  CHECK_THAT(problems.text(), Contains("[attach] vision_weights: expected") &&
                                  Contains("dinov3_vitb16_pretrain_lvd1689m-*.pth") &&
                                  Contains("no path"));
  CHECK_THROWS_WITH(make_encoder(DINOv3HPlus{}, config, at::kCPU),
                    Contains("attach.vision_weights: expected") && Contains("dinov3_vith16plus"));

  config.vision_weights = (folder() / "mlp.pth").string();
  bench.sections.set(config);
  Problems none;
  check_stage(Attacher<ShallowDINOv3>{}, bench.context, none);
  CHECK(none.empty());
  check_stage(Attacher<DINOv3>{}, bench.context, none); // the file holds another network
  CHECK(none.list().size() == 1);
  CHECK_THAT(none.text(), Contains("[attach] vision_weights: ") &&
                              Contains("mlp.pth: expected the weights of DINOv3 of width 768"));
  run_stage(Attacher<WithClassToken<ShallowDINOv3>>{}, bench.context);
  const PackFile pack{bench.context.out};
  CHECK(relative(pack.tensor("visual_tokens"), expected("mlp.whole.patches")) < 1e-4);
  CHECK(relative(pack.tensor("class_tokens"), expected("mlp.whole.class")) < 1e-4);

  // The grid of a smaller denoiser, grey images.
  const Tensor tokens =
      make_encoder(OnGrid<ShallowDINOv3, 7>{}, config, at::kCPU)->patch_tokens(expected("grey"));
  CHECK(relative(tokens, expected("mlp.timm.small.patches")) < 1e-4);
}

TEST_CASE("dinov3: each missing, unexpected and mis-shaped tensor stands in one sentence") {
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "dinov3.safetensors";
  const DINOv3Shape& shape = ShallowDINOv3::shape;
  auto wrong = load_safetensors(folder() / "mlp.transformers.safetensors");
  wrong.erase("layer.1.attention.q_proj.bias");
  wrong.erase("norm.weight");
  wrong["layer.0.mlp.up_proj.weight"] = at::zeros({1536, 383});
  wrong["layer.0.attention.k_proj.bias"] = at::zeros({384});
  save_tensors(file, {wrong.begin(), wrong.end()});
  CHECK_THROWS_WITH((DINOv3Network{WeightsFile{file}, shape}),
                    Contains("dinov3.safetensors: expected the weights of DINOv3 of width 384 with "
                             "2 blocks and an MLP, found: ") &&
                        Contains("missing layer.1.attention.q_proj.bias [384]; ") &&
                        Contains("missing norm.weight [384]; ") &&
                        Contains("mis-shaped layer.0.mlp.up_proj.weight, expected [1536, 384], "
                                 "found [1536, 383]") &&
                        Contains("unexpected layer.0.attention.k_proj.bias [384]"));
  CHECK_THROWS_AS((DINOv3Network{WeightsFile{file}, shape}), InputError);

  // The mask token may be absent, types may be narrow.
  std::map<std::string, Tensor> narrow;
  for (const auto& [name, tensor] : load_safetensors(folder() / "mlp.transformers.safetensors")) {
    if (name != "embeddings.mask_token") {
      narrow[name] = tensor.to(at::kBFloat16);
    }
  }
  save_tensors(file, {narrow.begin(), narrow.end()});
  const auto found = DINOv3Network{WeightsFile{file}, shape}.forward(expected("wide"));
  const double gap = relative(found.patches, expected("mlp.transformers.wide.patches"));
  CHECK((gap > 1e-5 && gap < 0.1));

  // One bias without the other; an MLP in the place of SwiGLU.
  auto half = load_safetensors(folder() / "mlp.timm.safetensors");
  half.erase("blocks.1.attn.v_bias");
  save_tensors(file, {half.begin(), half.end()});
  CHECK_THROWS_WITH((DINOv3Network{WeightsFile{file}, shape}),
                    Contains("found: missing blocks.1.attn.v_bias [384]"));
  DINOv3Shape gated = shape;
  gated.swiglu = true;
  CHECK_THROWS_WITH(network("mlp.pth", gated), Contains("and SwiGLU") &&
                                                   Contains("missing blocks.0.mlp.w1.weight") &&
                                                   Contains("unexpected blocks.0.mlp.fc1.weight"));
}

TEST_CASE("dinov3 reference: totals of every published size are those of both libraries") {
  using namespace dinov3_shapes;
  const std::map<std::string, DINOv3Shape> sizes = {{"small", S},          {"small_plus", S_plus},
                                                    {"base", B},           {"large", L},
                                                    {"huge_plus", H_plus}, {"7b", b7}};
  for (const auto& [name, shape] : sizes) {
    const auto total = [&](const DINOv3Names& names) {
      std::int64_t tensors = 0;
      std::int64_t parameters = 0;
      for (const NamedShape& tensor : dinov3_tensors(shape, names)) {
        ++tensors;
        parameters += tensor.count();
      }
      return at::tensor({tensors, parameters}, at::kLong);
    };
    INFO(name);
    CHECK(at::equal(expected("total.transformers." + name),
                    total({DINOv3Layout::transformers, "layer."})));
    CHECK(at::equal(expected("total.timm." + name), total({DINOv3Layout::timm})));
  }
}
