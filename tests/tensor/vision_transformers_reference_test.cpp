// Oracles: timm's VisionTransformer, used as REPA uses it for MAE and MoCo v3, and transformers'
// ViTMAEModel on seeded weights, run by tests/reference/vision_transformers.py, which also writes
// the weights in the published containers.

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
#include <d2c/encoders/mae.hpp>
#include <d2c/encoders/mae_encoder.hpp>
#include <d2c/encoders/mae_network.hpp>
#include <d2c/encoders/mocov3.hpp>
#include <d2c/encoders/mocov3_encoder.hpp>
#include <d2c/encoders/mocov3_network.hpp>
#include <d2c/encoders/vision_transformer_network.hpp>
#include <d2c/encoders/with_class_token_encoder.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/select/subset_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_encoders {

// The networks that the reference wrote, of small width.
struct NarrowMAE
    : d2c::MAEFacts<d2c::VisionTransformerShape{.width = 192, .depth = 3, .heads = 3}> {
  static constexpr std::string_view name = "NarrowMAE";
};

struct NarrowMoCo
    : d2c::MoCoV3Facts<d2c::VisionTransformerShape{.width = 96, .depth = 15, .heads = 4}> {
  static constexpr std::string_view name = "NarrowMoCo";
};

} // namespace test_encoders

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using test_encoders::NarrowMAE;
using test_encoders::NarrowMoCo;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/vision_transformers.py wrote "
         "to");
  }
  return std::filesystem::path(root) / "vision_transformers";
}

Tensor expected(const std::string& name) {
  static const SafetensorsFile file{folder() / "vision_transformers.safetensors"};
  return to_tensor(file, name);
}

double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

MAENetwork mae(const std::filesystem::path& path) {
  return {WeightsFile{path}, NarrowMAE::shape};
}

MoCoV3Network mocov3(const std::filesystem::path& path) {
  return {WeightsFile{path}, NarrowMoCo::shape};
}

AttachConfig weights_in(const std::string& file) {
  AttachConfig config;
  config.vision_weights = (folder() / file).string();
  return config;
}

constexpr const char* mae_files[] = {"mae.pth", "mae.training.pth", "mae.transformers.safetensors",
                                     "mae.timm.safetensors"};
constexpr const char* mocov3_files[] = {"mocov3.pth.tar", "mocov3.misnumbered.pth.tar",
                                        "mocov3.timm.safetensors"};

void compare_with_timm(const VisionTransformerNetwork& read, const std::string& name) {
  const auto after_norm = [&](const std::string& input) {
    return read.normalised(read.tokens(expected(input)));
  };
  CHECK(relative(read.tokens(expected("repa")), expected(name + ".repa.block")) < 1e-4);
  CHECK(relative(after_norm("repa"), expected(name + ".repa.norm")) < 1e-4);
  CHECK(relative(after_norm("small"), expected(name + ".small.norm")) < 1e-4);
  // 10 x 15 patches: rows and columns must not change places.
  CHECK(relative(after_norm("wide"), expected(name + ".wide.norm")) < 1e-4);
  CHECK(relative(after_norm("whole"), expected(name + ".whole.norm")) < 1e-4);
}

} // namespace

TEST_CASE("vision transformers reference: tokens of each container, size and rule agree") {
  for (const char* file : mae_files) {
    INFO(file);
    const MAENetwork read = mae(folder() / file);
    compare_with_timm(read, "mae");
    CHECK(relative(read.normalised(read.tokens(expected("whole"))),
                   expected("mae.transformers.whole")) < 1e-4);
    const auto wide = read.forward(expected("wide"), PositionRule::plain);
    const Tensor theirs = expected("mae.transformers.wide");
    CHECK(relative(wide.class_token, theirs.select(1, 0)) < 1e-4);
    CHECK(relative(read.normalised(wide.patches), theirs.slice(1, 1)) < 1e-4);
  }
  for (const char* file : mocov3_files) {
    INFO(file);
    compare_with_timm(mocov3(folder() / file), "mocov3");
  }
  // Both choices matter far more than rounding.
  CHECK(relative(expected("mae.transformers.wide"), expected("mae.wide.norm")) > 1e-3);
  CHECK(relative(expected("mae.repa.block"), expected("mae.repa.norm")) > 0.1);
}

TEST_CASE("vision transformers reference: images are prepared in REPA's order") {
  const MAENetwork network = mae(folder() / "mae.pth");
  CHECK(relative(network.prepare(expected("images"), 16), expected("repa")) < 1e-5);
  CHECK(relative(network.prepare(expected("grey"), 7), expected("small")) < 1e-5);
  CHECK_THROWS_WITH(network.prepare(at::zeros({1, 2, 8, 8}, at::kByte), 16),
                    Contains("MAE: expected images") && Contains("[1, 2, 8, 8]"));
  CHECK_THROWS_WITH(network.tokens(at::zeros({1, 3, 224, 230})),
                    Contains("multiples of 16, found [1, 3, 224, 230]"));
}

TEST_CASE("vision transformers reference: the attaching stage stores REPA's patch tokens") {
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
  bench.sections.set(AttachConfig{});

  Problems problems;
  check_stage(Attacher<MAE>{}, bench.context, problems);
  check_stage(Attacher<WithClassToken<MoCoV3>>{}, bench.context, problems);
  CHECK(problems.list().size() == 2);
  CHECK_THAT(problems.text(),
             Contains("[attach] vision_weights: expected a file with the MAE weights "
                      "(mae_pretrain_vit_large.pth") &&
                 Contains("with the MoCo v3 weights (vit-b-300ep.pth.tar), found no path"));

  bench.sections.set(weights_in("mae.training.pth"));
  Problems none;
  check_stage(Attacher<NarrowMAE>{}, bench.context, none);
  CHECK(none.empty());
  check_stage(Attacher<MAE>{}, bench.context, none); // the file holds another network
  check_stage(Attacher<WithClassToken<MoCoV3>>{}, bench.context, none);
  CHECK(none.list().size() == 2);
  CHECK_THAT(none.text(),
             Contains("[attach] vision_weights: ") &&
                 Contains("mae.training.pth: expected the weights of MAE of width 1024") &&
                 Contains("mae.training.pth: expected the weights of MoCo v3 of width 768"));
  run_stage(Attacher<WithClassToken<NarrowMAE>>{}, bench.context);
  const PackFile pack{bench.context.out};
  CHECK(relative(pack.tensor("visual_tokens"), expected("mae.repa.block").slice(1, 1)) < 1e-4);
  CHECK(relative(pack.tensor("class_tokens"), expected("mae.repa.norm").select(1, 0)) < 1e-4);
}

TEST_CASE("vision transformers reference: MoCo v3 gives tokens after its last norm") {
  const AttachConfig config = weights_in("mocov3.misnumbered.pth.tar");
  const auto encoder = make_encoder(NarrowMoCo{}, config, at::kCPU);
  const VisualFeatures found = encoder->features(expected("images"));
  CHECK(relative(found.patch_tokens, expected("mocov3.repa.norm").slice(1, 1)) < 1e-4);
  CHECK(relative(found.class_tokens, expected("mocov3.repa.norm").select(1, 0)) < 1e-4);
  CHECK(at::equal(found.patch_tokens, encoder->patch_tokens(expected("images"))));
  CHECK(encoder->files() == std::vector<std::filesystem::path>{config.vision_weights});
  const Tensor tokens =
      make_encoder(OnGrid<NarrowMoCo, 7>{}, config, at::kCPU)->patch_tokens(expected("grey"));
  CHECK(relative(tokens, expected("mocov3.small.norm").slice(1, 1)) < 1e-4);
}

TEST_CASE("vision transformers: each missing, unexpected and mis-shaped tensor is named") {
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "wrong.safetensors";
  std::map<std::string, Tensor> wrong = load_safetensors(folder() / "mae.timm.safetensors");
  wrong.erase("blocks.1.attn.qkv.bias");
  wrong.erase("norm.weight");
  wrong["pos_embed"] = at::zeros({1, 257, 192});
  wrong["blocks.0.ls1.gamma"] = at::zeros({192});
  wrong["decoder_embed.bias"] = at::zeros({2});
  save_tensors(file, {wrong.begin(), wrong.end()});
  CHECK_THROWS_WITH(
      mae(file),
      Contains("wrong.safetensors: expected the weights of MAE of width 192 with 3 blocks, "
               "found: missing blocks.1.attn.qkv.bias [576]; missing norm.weight [192]; "
               "unexpected blocks.0.ls1.gamma [192] F32; "
               "mis-shaped pos_embed, expected [1, 197, 192], found [1, 257, 192]") &&
          !Contains("decoder"));
  CHECK_THROWS_AS(mae(file), InputError);

  // A network of another size or kind is refused, and so is one half of the misnumbered layers.
  CHECK_THROWS_WITH(
      make_encoder(MoCoV3L{}, weights_in("mocov3.pth.tar"), at::kCPU),
      Contains("mocov3.pth.tar: expected the weights of MoCo v3 of width 1024 with 24 blocks") &&
          Contains("missing state_dict.module.base_encoder.blocks.23.mlp.fc2.bias [1024]") &&
          !Contains("momentum") && !Contains("head"));
  CHECK_THROWS_WITH(mae(folder() / "mocov3.pth.tar"), Contains("missing model.cls_token"));
  auto half = load_safetensors(folder() / "mocov3.timm.safetensors");
  half["blocks.13.norm13.weight"] = half["blocks.13.norm1.weight"];
  half.erase("blocks.13.norm1.weight");
  save_tensors(file, {half.begin(), half.end()});
  CHECK_THROWS_WITH(mocov3(file), Contains("missing blocks.14.norm14.weight [96]") &&
                                      Contains("unexpected blocks.14.norm2.weight [96]"));

  AttachConfig elsewhere;
  elsewhere.vision_weights = "/nonexistent/w.pth";
  CHECK_THROWS_WITH(make_encoder(MAE{}, elsewhere, at::kCPU),
                    Contains("attach.vision_weights: expected a file with the MAE weights") &&
                        Contains("no file \"/nonexistent/w.pth\""));
}

TEST_CASE("vision transformers reference: timm's totals of every published size") {
  const std::map<std::string, VisionTransformerShape> sizes = {{"small", MoCoV3S::shape},
                                                               {"base", MAEB::shape},
                                                               {"large", MAE::shape},
                                                               {"huge", MAEH::shape}};
  CHECK(MAEB::shape == MoCoV3::shape);
  for (const auto& [name, shape] : sizes) {
    std::int64_t tensors = 0;
    std::int64_t parameters = 0;
    for (const NamedShape& tensor : vision_transformer_tensors(shape, {})) {
      ++tensors;
      parameters += tensor.count();
    }
    INFO(name);
    CHECK(at::equal(expected("total." + name), at::tensor({tensors, parameters}, at::kLong)));
  }
}
