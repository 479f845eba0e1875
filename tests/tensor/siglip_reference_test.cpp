// Oracles: transformers' SiglipModel and timm's tower on seeded weights, run by
// tests/reference/siglip.py, which also writes the weights in the published forms.

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

#include <d2c/attach/attach_config.hpp>
#include <d2c/encoders/learned_positions.hpp>
#include <d2c/encoders/on_grid.hpp>
#include <d2c/encoders/siglip.hpp>
#include <d2c/encoders/siglip_encoder.hpp>
#include <d2c/encoders/siglip_network.hpp>
#include <d2c/encoders/siglip_tensors.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/tensor/torch.hpp>

namespace test_encoders {

inline constexpr d2c::SigLIPShape tiny_shape{144, 3, 2, 538, 14, 16};

struct Tiny : d2c::SigLIPFacts<tiny_shape> {
  static constexpr std::string_view name = "Tiny";
};

} // namespace test_encoders

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using test_encoders::Tiny;
using test_encoders::tiny_shape;

std::filesystem::path folder() {
  const char* root = std::getenv("D2C_REFERENCE_DIR");
  if (root == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/siglip.py wrote to");
  }
  return std::filesystem::path(root) / "siglip";
}

const SafetensorsFile& reference() {
  static const SafetensorsFile file{folder() / "siglip.safetensors"};
  return file;
}

Tensor expected(const std::string& name) {
  return to_tensor(reference(), name);
}

double relative(const Tensor& found, const Tensor& wanted) {
  REQUIRE(found.sizes() == wanted.sizes());
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

void compare(const SigLIPNetwork::Output& found, const std::string& name) {
  INFO(name);
  CHECK(relative(found.class_token, expected(name + ".class")) < 1e-4);
  CHECK(relative(found.patches, expected(name + ".patches")) < 1e-4);
}

} // namespace

TEST_CASE("siglip reference: tokens of each file, size and position rule agree") {
  for (const char* file :
       {"whole/model.safetensors", "tower/model.safetensors", "timm.safetensors"}) {
    INFO(file);
    const SigLIPNetwork network{WeightsFile{folder() / file}, tiny_shape};
    compare(network.forward(expected("input.224")), "224");
    compare(network.forward(expected("input.wide")), "wide");
    compare(network.forward(expected("input.224")), "timm.224");
    compare(network.forward(expected("input.wide")), "timm.wide");
    compare(network.forward(expected("input.wide"), PositionRule::plain), "plain");
    compare(network.forward(expected("input.98")), "98");
    CHECK(relative(network.prepare(expected("images"), 16), expected("input.224")) < 1e-5);
    CHECK(relative(network.prepare(expected("grey"), 7), expected("input.98")) < 1e-5);
    CHECK_THROWS_WITH(network.forward(at::zeros({1, 3, 20, 28})),
                      Contains("SigLIP: expected an input") && Contains("[1, 3, 20, 28]"));
    CHECK_THROWS_WITH(network.prepare(at::zeros({1, 3, 8, 8}), 16),
                      Contains("SigLIP: expected images"));
  }
  CHECK(relative(expected("plain.patches"), expected("wide.patches")) > 1e-2);
}

TEST_CASE("siglip reference: the encoder takes the configured file") {
  AttachConfig config;
  Problems problems;
  check_encoder(SigLIP{}, config, problems);
  REQUIRE(problems.list().size() == 1);
  CHECK_THAT(problems.text(),
             Contains("[attach] vision_weights: expected a file with the SigLIP weights") &&
                 Contains("found no path"));
  CHECK_THROWS_WITH(make_encoder(SigLIP{}, config, at::kCPU), Contains("attach.vision_weights"));

  config.vision_weights = (folder() / "tower/model.safetensors").string();
  Problems none;
  check_encoder(Tiny{}, config, none);
  CHECK(none.empty());
  check_encoder(SigLIP{}, config, none); // the file holds another network
  CHECK(none.list().size() == 1);
  CHECK_THAT(none.text(),
             Contains("[attach] vision_weights: ") &&
                 Contains("expected the weights of SigLIP's vision tower of width 1152"));
  const auto features = make_encoder(Tiny{}, config, at::kCPU)->features(expected("images"));
  CHECK(relative(features.patch_tokens, expected("224.patches")) < 1e-4);
  CHECK(relative(features.class_tokens, expected("224.class")) < 1e-4);
  CHECK(relative(make_encoder(OnGrid<Tiny, 7>{}, config, at::kCPU)->patch_tokens(expected("grey")),
                 expected("98.patches")) < 1e-4);
}

TEST_CASE("siglip: each missing, unexpected and mis-shaped tensor stands in one sentence") {
  const d2c_test::ScratchFolder scratch;
  const auto file = scratch / "siglip.safetensors";
  auto weights = load_safetensors(folder() / "whole/model.safetensors");
  weights.erase("vision_model.head.probe");
  weights["vision_model.head.mlp.fc1.bias"] = at::zeros({9});
  weights["vision_model.pre_layrnorm.bias"] = at::zeros({144});
  save_tensors(file, {weights.begin(), weights.end()});
  CHECK_THROWS_WITH(
      (SigLIPNetwork{WeightsFile{file}, tiny_shape}),
      Contains("siglip.safetensors: expected the weights of SigLIP's vision tower of width 144 "
               "with 3 blocks on patches of 14, found: missing vision_model.head.probe [1, 1, 144]"
               "; unexpected vision_model.pre_layrnorm.bias [144] F32; mis-shaped "
               "vision_model.head.mlp.fc1.bias, expected [538], found [9]"));
  CHECK_THROWS_AS((SigLIPNetwork{WeightsFile{file}, tiny_shape}), InputError);
}

TEST_CASE("siglip reference: names and shapes of the published so400m/14 are those expected here") {
  const std::map<std::string, CLIPLayout> layouts = {{"published", CLIPLayout::transformers},
                                                     {"timm", CLIPLayout::timm}};
  for (const auto& [library, layout] : layouts) {
    INFO(library);
    const auto published = nlohmann::json::parse(reference().metadata().at(library))
                               .get<std::map<std::string, std::vector<std::int64_t>>>();
    std::map<std::string, std::vector<std::int64_t>> ours;
    for (const NamedShape& tensor : siglip_tensors(siglip_shapes::So400m14, {{layout, ""}})) {
      if (tensor.needed) {
        ours.emplace(tensor.name, tensor.shape);
      }
    }
    CHECK(ours == published);
  }
}
