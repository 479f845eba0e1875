// Oracle: the published equations in plain torch (float64), and diffusers' DiTTransformer2DModel,
// both run by tests/reference/dit.py.

#include <string>
#include <vector>

#include <catch.hpp>
#include <network_reference.hpp>

#include <d2c/models/diffusion_transformer.hpp>

namespace {

using namespace d2c;

using d2c_test::NetworkReference;
using d2c_test::relative_error;

Tensor image_of(const TransformerOutput& output) {
  return output.variance.defined() ? at::cat({output.prediction, output.variance}, 1)
                                   : output.prediction;
}

/// Largest relative error over outputs and gradients of one case on one path.
void compare(const std::string& name, at::ScalarType dtype, BlockPath path, double tolerance) {
  INFO("case " << name);
  const NetworkReference reference("dit", name);
  const auto shape = reference.shape();
  DiffusionTransformer network(shape, at::kCPU, 0, dtype, path);
  auto& table = network.parameters();
  CHECK(relative_error(table.value("pos_embed"), reference.read("weight.pos_embed")) < 1e-6);
  reference.load_into(network);
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
