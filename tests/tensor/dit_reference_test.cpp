// Oracle: the published equations in plain torch (float64), and diffusers' DiTTransformer2DModel,
// both run by tests/reference/dit.py.

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/io/safetensors.hpp>
#include <d2c/models/diffusion_transformer.hpp>

namespace {

using namespace d2c;

class Reference {
public:
  explicit Reference(const std::string& name) : file_{path_of(name)} {}

  [[nodiscard]] bool has(const std::string& name) const { return file_.has(name); }

  [[nodiscard]] Tensor read(const std::string& name) const {
    const auto& entry = file_.entry(name);
    const auto dtype = entry.dtype == DType::I64 ? at::kLong : at::kDouble;
    REQUIRE((entry.dtype == DType::I64 || entry.dtype == DType::F64 || entry.dtype == DType::F32));
    if (entry.dtype == DType::F32) {
      return at::tensor(file_.values<float>(name)).view(entry.shape).to(at::kDouble);
    }
    auto tensor = at::empty(entry.shape, dtype);
    std::memcpy(tensor.mutable_data_ptr(), entry.bytes.data(), entry.bytes.size());
    return tensor;
  }

  [[nodiscard]] int number(const std::string& key) const {
    return std::stoi(file_.metadata().at(key));
  }

  [[nodiscard]] NetworkShape shape() const {
    NetworkShape shape;
    shape.family = number("learn_sigma") != 0 ? Family::dit : Family::sit;
    shape.size = {number("depth"), number("width"), number("heads"), number("patch"),
                  number("mlp_ratio")};
    shape.channels = number("channels");
    shape.height = number("image_height");
    shape.width = number("image_width");
    shape.classes = number("classes");
    shape.learn_sigma = number("learn_sigma") != 0;
    shape.class_embedding = number("class_embedding") != 0;
    shape.text_embedding = number("text_embedding") != 0;
    shape.text_tokens = number("text_tokens");
    shape.text_width = number("text_width");
    shape.align_depth = number("align_depth");
    shape.align_width = number("align_width");
    shape.align_hidden = number("align_hidden");
    return shape;
  }

private:
  static std::filesystem::path path_of(const std::string& name) {
    const char* folder = std::getenv("D2C_REFERENCE_DIR");
    if (folder == nullptr) {
      FAIL("D2C_REFERENCE_DIR must name the folder that tests/reference/dit.py wrote dit/ into");
    }
    return std::filesystem::path(folder) / "dit" / (name + ".safetensors");
  }

  SafetensorsFile file_;
};

double relative_error(const Tensor& found, const Tensor& expected) {
  REQUIRE(found.sizes() == expected.sizes());
  const auto scale = expected.abs().max().item<double>();
  return (found.to(at::kDouble) - expected).abs().max().item<double>() / (scale > 0 ? scale : 1);
}

Tensor image_of(const TransformerOutput& output) {
  return output.variance.defined() ? at::cat({output.prediction, output.variance}, 1)
                                   : output.prediction;
}

/// Largest relative error over outputs and gradients of one case on one path.
void compare(const std::string& name, at::ScalarType dtype, BlockPath path, double tolerance) {
  INFO("case " << name);
  const Reference reference(name);
  const auto shape = reference.shape();
  DiffusionTransformer network(shape, at::kCPU, 0, dtype, path);
  auto& table = network.parameters();
  CHECK(relative_error(table.value("pos_embed"), reference.read("weight.pos_embed")) < 1e-6);
  for (const auto& entry : table.entries()) {
    table.value(entry.name).copy_(reference.read("weight." + entry.name));
  }
  if (shape.text_embedding) {
    network.set_text_table(reference.read("input.text"), reference.read("input.mask"));
  }
  const auto x = reference.read("input.x").to(dtype).requires_grad_(true);
  const auto t = reference.read("input.t").to(dtype);
  const Conditioning conditioning{reference.read("input.labels"),
                                  reference.read("input.text_labels")};
  const bool projected = shape.align_depth > 0;

  {
    const at::NoGradGuard no_grad;
    const auto output = network.forward(x, t, conditioning, projected);
    CHECK_FALSE(output.prediction.requires_grad());
    CHECK(relative_error(image_of(output), reference.read("output.image")) < tolerance);
    if (projected) {
      CHECK(relative_error(output.projected, reference.read("output.projected")) < tolerance);
    }
  }

  const auto output = network.forward(x, t, conditioning, projected);
  CHECK(relative_error(image_of(output).detach(), reference.read("output.image")) < tolerance);
  auto loss = (image_of(output) * reference.read("cotangent.image").to(dtype)).sum();
  if (projected) {
    CHECK(relative_error(output.projected.detach(), reference.read("output.projected")) <
          tolerance);
    loss = loss + (output.projected * reference.read("cotangent.projected").to(dtype)).sum();
  }
  loss.backward();
  for (const auto& entry : table.entries()) {
    if (entry.trainable) {
      INFO("gradient of " << entry.name);
      CHECK(relative_error(table.gradient(entry.name), reference.read("gradient." + entry.name)) <
            tolerance);
    }
  }
}

const std::vector<std::string> cases{"quick",       "few_prompts", "text_only", "unconditional",
                                     "learn_sigma", "head_72",     "oblong",    "width_96",
                                     "s2",          "diffusers"};

} // namespace

TEST_CASE("dit: outputs and all gradients equal the reference in float64") {
  for (const auto& name : cases) {
    compare(name, at::kDouble, BlockPath::automatic, 1e-11);
  }
}

TEST_CASE("dit: outputs and all gradients equal the reference in float32, operator by operator") {
  for (const auto& name : cases) {
    compare(name, at::kFloat, BlockPath::operators, 1e-5);
  }
}

TEST_CASE("dit: outputs and all gradients equal the reference in float32, fused") {
  for (const auto& name : cases) {
    compare(name, at::kFloat, BlockPath::fused, 1e-5);
  }
}
