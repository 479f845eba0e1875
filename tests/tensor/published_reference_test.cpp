// Oracle: the published networks and torch.save, run by tests/reference/published.py; exported
// files are opened by torch.load and loaded strictly (tests/reference/published_readback.py).

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <network_reference.hpp>
#include <nlohmann/json.hpp>
#include <scratch_folder.hpp>

#include <d2c/core/error.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/dit.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/models/parameter_list.hpp>
#include <d2c/models/sit.hpp>
#include <d2c/train/checkpoint.hpp>
#include <d2c/train/export_denoiser.hpp>
#include <d2c/train/published_weights_file.hpp>

namespace {

namespace fs = std::filesystem;
using namespace d2c;
using Catch::Matchers::Contains;
using d2c_test::relative_error;

/// Twelve blocks in float32; another direction of time or another sign is off by one.
constexpr double tolerance = 5e-5;

fs::path reference_folder() {
  const char* folder = std::getenv("D2C_REFERENCE_DIR");
  if (folder == nullptr) {
    FAIL("D2C_REFERENCE_DIR must name the folder above the one that tests/reference/published.py "
         "wrote to");
  }
  return fs::path(folder) / "published";
}

/// The small network of the reference, of the given family, with or without projector.
NetworkShape shape_of(Family family, bool projects = false) {
  NetworkShape shape;
  shape.family = family;
  shape.size = {4, 48, 3, 2};
  shape.height = shape.width = 8;
  shape.classes = 5;
  shape.learn_sigma = family == Family::dit;
  shape.align_depth = projects ? 2 : 0;
  shape.align_width = 10;
  shape.align_hidden = 24;
  return shape;
}

NetworkShape with_class_token(NetworkShape shape) {
  shape.class_token_width = 10;
  return shape;
}

TargetKind target_of(const NetworkShape& shape) {
  return default_parametrisation(shape.family).target;
}

/// Loads a file of the reference into a network and compares outputs with CASE.expected.
void compare(const std::string& file, const NetworkShape& shape, const PublishedChoice& choice = {},
             std::string expected_name = {}) {
  INFO(file);
  const fs::path path = reference_folder() / file;
  expected_name = expected_name.empty() ? path.stem().string() : expected_name;
  const auto expected =
      load_safetensors(reference_folder() / (expected_name + ".expected.safetensors"));
  const at::NoGradGuard no_grad;
  DiffusionTransformer network(shape, at::kCPU, std::nullopt);
  PublishedWeightsFile(path, choice).load_into(network.parameters(), shape, target_of(shape));
  // What was there before does not matter.
  DiffusionTransformer drawn(shape, at::kCPU, 0);
  PublishedWeightsFile(path, choice).load_into(drawn.parameters(), shape, target_of(shape));
  CHECK(at::equal(network.parameters().values(), drawn.parameters().values()));
  const auto token = expected.find("input.class_token");
  const bool projects = shape.align_depth > 0;
  const auto output = network.forward(expected.at("input.x"), expected.at("input.t"),
                                      {expected.at("input.labels"), {}}, projects,
                                      token == expected.end() ? Tensor() : token->second);
  const Tensor image = output.variance.defined() ? at::cat({output.prediction, output.variance}, 1)
                                                 : output.prediction;
  CHECK(relative_error(image, expected.at("output.image").to(at::kDouble)) < tolerance);
  if (projects) {
    CHECK(relative_error(output.projected, expected.at("output.projected").to(at::kDouble)) <
          tolerance);
  }
  if (token != expected.end()) {
    CHECK(relative_error(output.class_token, expected.at("output.class_token").to(at::kDouble)) <
          tolerance);
  }
}

std::string message(auto&& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError was thrown";
}

std::string refusal(const std::string& file, const NetworkShape& shape,
                    const PublishedChoice& choice = {}) {
  return message(
      [&] { PublishedWeightsFile(reference_folder() / file, choice).require_fits(shape); });
}

} // namespace

TEST_CASE("published: DiT's state dicts in every format, flat or of a training") {
  const NetworkShape dit = shape_of(Family::dit);
  compare("dit_flat.pt", dit);
  compare("dit_training.pt", dit, {}, "dit_training");
  compare("dit_legacy.pt", dit);
  compare("dit_safetensors.safetensors", dit);
  compare("dit_half.pt", dit);
}

TEST_CASE("published: a DiT-S/2 with the published sizes") {
  NetworkShape shape;
  shape.family = Family::dit;
  shape.size = sizes::S(2);
  shape.learn_sigma = true;
  CHECK(PublishedWeightsFile(reference_folder() / "dit_s2.pt", {}).tensors().size() == 132);
  CHECK(parameter_count(shape) == 32'963'360);
  compare("dit_s2.pt", shape);
}

TEST_CASE("published: the XL/2 networks have the names, shapes and totals of Python's") {
  std::ifstream file(reference_folder() / "full_sizes.json");
  const auto networks = nlohmann::json::parse(file);
  const auto compare_lists = [&](const std::string& name, const NetworkShape& shape,
                                 std::size_t tensors, std::int64_t parameters) {
    INFO(name);
    using Shapes = std::map<std::string, std::vector<std::int64_t>>;
    const auto expected = networks.at(name).get<Shapes>();
    const auto list = parameter_list(shape);
    Shapes found;
    for (const ParameterEntry& entry : list) {
      found.emplace(entry.name, entry.shape);
    }
    CHECK(found == expected);
    CHECK(list.size() == tensors);
    CHECK(expected.size() == tensors);
    CHECK(parameter_count(shape) == parameters);
  };
  NetworkShape shape;
  shape.family = DiT_XL2::family;
  shape.size = DiT_XL2::size;
  shape.learn_sigma = true;
  compare_lists("DiT-XL/2", shape, 292, 675'129'632);
  shape.family = SiT_XL2::family; // SiT's own code has a head for variances too
  shape.size = SiT_XL2::size;
  compare_lists("SiT-XL/2", shape, 292, 675'129'632);
  shape.learn_sigma = false;
  shape.align_depth = 8;
  shape.align_width = 768;
  compare_lists("REPA", shape, 298, 683'242'512);
  shape.class_token_width = 768;
  compare_lists("REG", shape, 304, 685'017'360);
}

TEST_CASE("published: SiT's velocities come back with time and sign reversed, without variances") {
  const NetworkShape sit = shape_of(Family::sit);
  compare("sit_flat.pt", sit);
  compare("sit_flat.pt", sit, {.part = "ema", .layout = "sit"});
  compare("sit_compiled.pt", sit);
  compare("sit_compiled.pt", sit, {.part = "model", .layout = "auto"});
  compare("sit_without_variance.pt", sit, {.part = "ema", .layout = "sit"});
}

TEST_CASE("published: REPA's checkpoints, averaged or last, with the earlier names, and REG's") {
  const NetworkShape repa = shape_of(Family::sit, true);
  compare("repa_training.pt", repa);
  compare("repa_training.pt", repa, {.part = "model", .layout = "auto"}, "repa_training_last");
  compare("repa_legacy.pt", repa);
  // A network without projector leaves that of the file out.
  compare("repa_training.pt", shape_of(Family::sit));
  compare("reg_training.pt", with_class_token(repa));
  compare("reg_training.pt", with_class_token(shape_of(Family::sit)));
}

TEST_CASE("published: a file that does not tell whose network it holds is refused") {
  const NetworkShape sit = shape_of(Family::sit);
  CHECK_THAT(refusal("sit_without_variance.pt", sit),
             Contains("expected a layout, \"sit\" (time runs from noise to data) or \"repa\""));
  CHECK_THAT(refusal("sit_flat.pt", sit, {.part = "ema", .layout = "dit"}),
             Contains("expected the layout \"sit\" or \"repa\" for a SiT, found \"dit\""));
  // As REPA's, it has four channels too many.
  CHECK_THAT(refusal("sit_flat.pt", sit, {.part = "ema", .layout = "repa"}),
             Contains("mis-shaped final_layer.linear.bias, expected [16], found [32] F32"));
}

TEST_CASE("published: every misfit is listed at once, sorted") {
  NetworkShape other = shape_of(Family::dit);
  other.size.depth = 3;
  other.classes = 6;
  other.height = other.width = 12;
  const std::string file = (reference_folder() / "dit_flat.pt").string();
  std::string expected = file + ": expected the weights of this network, found: ";
  for (const char* name :
       {"adaLN_modulation.1.bias [288]", "adaLN_modulation.1.weight [288, 48]",
        "attn.proj.bias [48]", "attn.proj.weight [48, 48]", "attn.qkv.bias [144]",
        "attn.qkv.weight [144, 48]", "mlp.fc1.bias [192]", "mlp.fc1.weight [192, 48]",
        "mlp.fc2.bias [48]", "mlp.fc2.weight [48, 192]"}) {
    expected += "unexpected blocks.3." + std::string(name) + " F32; ";
  }
  expected += "mis-shaped pos_embed, expected [1, 36, 48], found [1, 16, 48] F32; mis-shaped "
              "y_embedder.embedding_table.weight, expected [7, 48], found [6, 48] F32";
  CHECK(refusal("dit_flat.pt", other) == expected);

  // A projector that the file does not have, and a class token that the network does not have.
  CHECK_THAT(refusal("sit_flat.pt", shape_of(Family::sit, true), {.part = "ema", .layout = "sit"}),
             Contains("missing projectors.0.0.bias [24]; missing projectors.0.0.weight [24, 48]"));
  CHECK_THAT(refusal("reg_training.pt", shape_of(Family::sit)),
             Contains("unexpected cls_projectors2.bias [48] F32") &&
                 Contains("mis-shaped pos_embed, expected [1, 16, 48], found [1, 17, 48] F32"));

  const d2c_test::ScratchFolder folder;
  save_tensors(folder / "model.safetensors", {{"model.pos_embed", at::zeros({1})}});
  CHECK_THAT(message([&] { PublishedWeightsFile(folder / "model.safetensors", {}); }),
             Contains("expected weights under \"ema\", found them under \"model\" alone"));
  save_tensors(folder / "integers.safetensors", {{"pos_embed", at::zeros({1, 16, 48}, at::kLong)}});
  CHECK_THAT(message([&] {
               PublishedWeightsFile(folder / "integers.safetensors", {})
                   .require_fits(shape_of(Family::dit));
             }),
             Contains("pos_embed expected in a floating type, found [1, 16, 48] I64"));
}

TEST_CASE(
    "published: a head with variances must have twice the rows, and nothing is written else") {
  const NetworkShape shape = shape_of(Family::sit);
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const ParameterEntry& entry : parameter_list(shape)) {
    tensors.emplace_back(entry.name, at::ones(entry.shape));
    if (entry.name == "final_layer.linear.bias") {
      tensors.back().second = at::ones({32});
    } else if (entry.name == "final_layer.linear.weight") {
      tensors.back().second = at::ones({33, 48});
    }
  }
  const d2c_test::ScratchFolder folder;
  save_tensors(folder / "odd.safetensors", tensors);
  DiffusionTransformer network(shape, at::kCPU, 4);
  const Tensor before = network.parameters().values().clone();
  CHECK(message([&] {
          PublishedWeightsFile(folder / "odd.safetensors", {})
              .load_into(network.parameters(), shape, TargetKind::velocity);
        }) == (folder / "odd.safetensors").string() +
                  ": expected the weights of this network, found: mis-shaped "
                  "final_layer.linear.weight, expected [32, 48], found [33, 48] F32");
  CHECK(at::equal(network.parameters().values(), before));
}

TEST_CASE("published: two names for one block of a decoder are refused") {
  const d2c_test::ScratchFolder folder;
  const fs::path file = folder / "twice.safetensors";
  const Tensor one = at::ones({1});
  save_tensors(file, {{"blocks.0.a", one}, {"decoder_blocks.1.a", one}});
  CHECK(PublishedWeightsFile(file, {}).tensors().contains("blocks.2.a"));
  save_tensors(file,
               {{"blocks.0.a", one}, {"decoder_blocks.01.a", one}, {"decoder_blocks.1.a", one}});
  CHECK(message([&] { PublishedWeightsFile(file, {}); }) ==
        file.string() + ": expected one tensor blocks.2.a, found it as decoder_blocks.01.a and as "
                        "decoder_blocks.1.a");
}

TEST_CASE("published: a training may begin where the file has no projector and no text branch") {
  NetworkShape shape = shape_of(Family::sit, true);
  shape.text_embedding = true;
  shape.text_tokens = 3;
  shape.text_width = 6;
  const PublishedWeightsFile file(reference_folder() / "sit_flat.pt", {});
  CHECK_THROWS_AS(file.require_fits(shape), InputError);
  DiffusionTransformer network(shape, at::kCPU, 4);
  const Tensor projector = network.parameters().value("projectors.0.2.weight").clone();
  const Tensor text = network.parameters().value("y_embedder.text_mlp.0.weight").clone();
  file.load_into(network.parameters(), shape, TargetKind::velocity, true);
  CHECK(at::equal(network.parameters().value("projectors.0.2.weight"), projector));
  CHECK(at::equal(network.parameters().value("y_embedder.text_mlp.0.weight"), text));
  DiffusionTransformer plain(shape_of(Family::sit), at::kCPU, 5);
  file.load_into(plain.parameters(), plain.shape(), TargetKind::velocity);
  CHECK(at::equal(network.parameters().value("blocks.3.mlp.fc2.weight"),
                  plain.parameters().value("blocks.3.mlp.fc2.weight")));
}

TEST_CASE("published: reversing time twice gives the layer back") {
  const Tensor weight = at::randn({7, 256});
  const Tensor reversed = with_reversed_time(weight);
  CHECK(at::allclose(with_reversed_time(reversed), weight, 1e-5, 1e-6));
  const Tensor t = at::tensor({0.0, 0.1, 0.5, 0.93, 1.0});
  CHECK(at::allclose(at::mm(timestep_features(t), reversed.t()),
                     at::mm(timestep_features(1 - t), weight.t()), 1e-5, 1e-5));
}

namespace {

/// A checkpoint of this library with random weights, its exports, and what the network returns.
std::size_t export_case(const fs::path& folder, const std::string& name, const NetworkShape& shape,
                        const Parametrisation& predicted) {
  INFO(name);
  DiffusionTransformer network(shape, at::kCPU, 3);
  const Tensor values = network.parameters().values();
  const Tensor positions = network.parameters().value("pos_embed").clone();
  values.add_(at::randn_like(values), 0.1);
  network.parameters().value("pos_embed").copy_(positions);
  const Tensor average = values + 0.02 * at::randn_like(values);
  TrainingState state{.step = 12,
                      .parameters = network.parameters(),
                      .average = average,
                      .optimizer = {},
                      .text_tokens = {},
                      .text_mask = {},
                      .network = network_shape_to_json(shape),
                      .recipe = {},
                      .parametrisation = predicted};
  if (shape.text_embedding) {
    state.text_tokens = at::randn({shape.classes, shape.text_tokens, shape.text_width});
    state.text_mask = (at::rand({shape.classes, shape.text_tokens}) < 0.7).to(at::kFloat);
  }
  const d2c_test::ScratchFolder scratch;
  write_checkpoint(scratch / "final.safetensors", state, true);
  const std::size_t files = export_denoiser(scratch / "final.safetensors", folder / name).size();

  const Tensor x = at::randn({3, shape.channels, shape.height, shape.width});
  const Tensor t = shape.family == Family::dit ? at::tensor({0.0f, 500.0f, 999.0f})
                                               : at::tensor({0.02f, 0.4f, 0.97f});
  const Tensor labels = at::tensor({1, shape.classes, 0}, at::kLong);
  const Tensor token =
      shape.class_token_width > 0 ? at::randn({3, shape.class_token_width}) : Tensor();
  std::vector<std::pair<std::string, Tensor>> written{
      {"input.x", x},
      {"input.t", t},
      {"input.labels", labels},
      {"velocity", at::tensor(predicted.target == TargetKind::velocity ? 1 : 0)}};
  if (token.defined()) {
    written.emplace_back("input.class_token", token);
  }
  const at::NoGradGuard no_grad;
  for (const bool ema : {true, false}) {
    const auto denoiser = load_denoiser(scratch / "final.safetensors", at::kCPU, ema);
    const bool projects = shape.align_depth > 0;
    const auto output = denoiser->forward(x, t, {labels, {}}, projects, token);
    const std::string part = ema ? "ema." : "model.";
    written.emplace_back(part + "image", output.variance.defined()
                                             ? at::cat({output.prediction, output.variance}, 1)
                                             : output.prediction);
    if (projects) {
      written.emplace_back(part + "projected", output.projected);
    }
    if (token.defined()) {
      written.emplace_back(part + "class_token", output.class_token);
    }
  }
  save_tensors(folder / (name + ".safetensors"), written);
  return files;
}

} // namespace

TEST_CASE("published: exported denoisers load strictly into the published networks in Python") {
  const fs::path folder = reference_folder() / "exported";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const Parametrisation velocity{PathKind::linear, TargetKind::velocity};
  NetworkShape text = shape_of(Family::sit, true);
  text.text_embedding = true;
  text.text_tokens = 4;
  text.text_width = 6;
  NetworkShape text_alone = text;
  text_alone.class_embedding = false;
  std::size_t files = 0;
  files += export_case(folder, "sit", shape_of(Family::sit), velocity);
  files += export_case(folder, "aligned", shape_of(Family::sit, true), velocity);
  files += export_case(folder, "dual_condition", text, velocity);
  files += export_case(folder, "text_alone", text_alone, velocity);
  files += export_case(folder, "noise_of_vp", shape_of(Family::sit),
                       {PathKind::vp, TargetKind::noise}); // SiT's code alone
  files += export_case(folder, "reg", with_class_token(shape_of(Family::sit, true)), velocity);
  files +=
      export_case(folder, "dit", shape_of(Family::dit, true), default_parametrisation(Family::dit));
  CHECK(files == 4 * 2 + 3);

  std::ifstream file(reference_folder() / "readback");
  const std::string command{std::istreambuf_iterator<char>(file), {}};
  REQUIRE_FALSE(command.empty());
  CHECK(std::system(
            (command + " \"" + folder.string() + "\" " + std::to_string(2 * files)).c_str()) == 0);

  // And back: SiT's export is SiT's own network again.
  DiffusionTransformer ours(shape_of(Family::sit), at::kCPU, 0);
  PublishedWeightsFile(folder / "sit" / "sit.pt", {.part = "ema", .layout = "sit"})
      .load_into(ours.parameters(), ours.shape(), TargetKind::velocity);
  const auto expected = load_safetensors(folder / "sit.safetensors");
  const at::NoGradGuard no_grad;
  CHECK(relative_error(ours.forward(expected.at("input.x"), expected.at("input.t"),
                                    {expected.at("input.labels"), {}})
                           .prediction,
                       expected.at("ema.image").to(at::kDouble)) < tolerance);
}

TEST_CASE("published: a denoiser that no published code holds is not exported") {
  const d2c_test::ScratchFolder folder;
  CHECK_THAT(message([&] {
               export_case(folder.path(), "data", shape_of(Family::sit),
                           {PathKind::linear, TargetKind::data});
             }),
             Contains("found one that predicts linear data of 8 x 8"));
}
