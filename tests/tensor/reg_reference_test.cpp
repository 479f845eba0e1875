// Oracle: the equations of REG in plain torch (float64), run by tests/reference/reg.py.

#include <string>

#include <catch.hpp>
#include <network_reference.hpp>

#include <d2c/diffusion/euler_maruyama.hpp>
#include <d2c/diffusion/field.hpp>
#include <d2c/diffusion/flow_matching.hpp>
#include <d2c/diffusion/guidance.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/network_shape_json.hpp>
#include <d2c/sample/guided_prediction.hpp>
#include <d2c/sample/joint_state.hpp>
#include <d2c/train/class_token_diffusion.hpp>
#include <d2c/train/entangled_alignment_loss.hpp>

namespace {

using namespace d2c;

using d2c_test::NetworkReference;
using d2c_test::relative_error;

/// Outputs, gradients of parameters and inputs, and the training loss with its gradients.
void compare(const std::string& name, at::ScalarType dtype, BlockPath path, double tolerance) {
  INFO("case " << name);
  const NetworkReference reference("reg", name);
  const auto shape = reference.shape();
  DiffusionTransformer network(shape, at::kCPU, 0, dtype, path);
  auto& table = network.parameters();
  CHECK(relative_error(table.value("pos_embed"), reference.read("weight.pos_embed")) < 1e-6);
  reference.load_into(network);
  const auto input = [&](const std::string& key) {
    return reference.read("input." + key).to(dtype);
  };
  const auto t = input("t");
  const Conditioning conditioning{reference.read("input.labels"),
                                  reference.read("input.text_labels")};
  const bool projected = shape.align_depth > 0;
  const auto check_outputs = [&](const TransformerOutput& output) {
    CHECK(relative_error(output.prediction, reference.read("output.image")) < tolerance);
    CHECK(relative_error(output.class_token, reference.read("output.class_token")) < tolerance);
    if (projected) {
      CHECK(relative_error(output.projected, reference.read("output.projected")) < tolerance);
    }
  };
  const auto check_gradients = [&](const std::string& group) {
    for (const auto& entry : table.entries()) {
      if (entry.trainable) {
        INFO(group << " of " << entry.name);
        CHECK(relative_error(table.gradient(entry.name), reference.read(group + "." + entry.name)) <
              tolerance);
      }
    }
  };
  {
    const at::NoGradGuard no_grad;
    check_outputs(network.forward(input("x"), t, conditioning, projected, input("class_token")));
  }

  const auto x = input("x").requires_grad_(true);
  const auto class_token = input("class_token").requires_grad_(true);
  const auto output = network.forward(x, t, conditioning, projected, class_token);
  check_outputs(output);
  auto product = (output.prediction * reference.read("cotangent.image").to(dtype)).sum() +
                 (output.class_token * reference.read("cotangent.class_token").to(dtype)).sum();
  if (projected) {
    product = product + (output.projected * reference.read("cotangent.projected").to(dtype)).sum();
  }
  product.backward();
  check_gradients("gradient");
  CHECK(relative_error(x.grad(), reference.read("input_gradient.x")) < tolerance);
  CHECK(relative_error(class_token.grad(), reference.read("input_gradient.class_token")) <
        tolerance);

  // The training step's loss, as fit composes it with REG's weights.
  table.zero_gradients();
  const ClassTokenDiffusion<FlowMatching> tokens(input("c0"), input("class_noise"), t);
  const auto x0 = input("x0");
  const auto noise = input("noise");
  const auto x_t = FlowMatching::diffuse<Tensor>(x0, noise, t);
  CHECK(relative_error(x_t, reference.read("input.x")) < tolerance);
  CHECK(relative_error(tokens.noisy(), reference.read("input.class_token")) < tolerance);
  const auto trained = network.forward(x_t, t, conditioning, projected, tokens.noisy());
  const auto denoise = FlowMatching::loss(trained, x0, noise, x_t, t).mean();
  const auto of_class = tokens.loss(trained.class_token);
  auto total = denoise + 0.03 * of_class;
  if (projected) {
    const auto align =
        alignment_loss(REGAlign{}, trained.projected, input("visual_tokens"), input("c0"));
    CHECK(relative_error(align, reference.read("loss.align")) < tolerance);
    total = total + 0.5 * align;
  }
  CHECK(relative_error(denoise, reference.read("loss.denoise")) < tolerance);
  CHECK(relative_error(of_class, reference.read("loss.class_token")) < tolerance);
  CHECK(relative_error(total, reference.read("loss.total")) < tolerance);
  total.backward();
  check_gradients("loss_gradient");
}

} // namespace

TEST_CASE("reg: outputs, losses and all gradients equal the reference in float64") {
  for (const char* name : {"small", "quick", "no_projector"}) {
    compare(name, at::kDouble, BlockPath::automatic, 1e-11);
  }
}

TEST_CASE("reg: outputs, losses and all gradients equal the reference in float32") {
  for (const char* name : {"small", "quick", "no_projector"}) {
    for (const auto path : {BlockPath::operators, BlockPath::fused}) {
      compare(name, at::kFloat, path, 1e-5);
    }
  }
}

TEST_CASE("reg: whole trajectories are those of the published sampler, guidance included") {
  const NetworkReference reference("reg", "sampler");
  const JointState layout({1, 2, 2}, 3);

  struct Answer {
    Tensor prediction;
    Tensor variance;
  };

  const Tensor conditional = reference.read("conditional").to(at::kFloat);
  const Tensor unconditional = reference.read("unconditional").to(at::kFloat);
  const auto network = [&](const Tensor& x, const Tensor& t, const Tensor& labels) {
    const auto answer = [&](const Tensor& matrix) {
      return at::tanh(at::matmul(x, matrix.t()) + t.unsqueeze(1));
    };
    return Answer{at::where(labels.eq(1).unsqueeze(1), answer(unconditional), answer(conditional)),
                  {}};
  };
  const auto draw = [&](const char* name, const Guidance& guidance) {
    INFO("case " << name);
    NoGuide none;
    GuidedPrediction prediction(network, none,
                                {.labels = at::zeros({3}, at::kLong),
                                 .null_label = 1,
                                 .class_token_width = layout.class_token_width(),
                                 .channel_size = layout.channel_size()},
                                guidance);
    const auto field = make_field<Tensor>(FlowMatching::parametrisation, std::ref(prediction));
    const Tensor noises = reference.read("noises");
    const Tensor found = EulerMaruyama::sample(
        reference.read("start"), {.steps = 12}, field,
        [&](std::uint32_t step) { return noises[static_cast<std::int64_t>(step)]; });
    CHECK(relative_error(found, reference.read(name)) < 1e-5);
  };
  draw("plain", {});
  draw("guided", {.scale = 2.3, .high = 0.85, .class_token_scale = 1.7});
  draw("class_unguided", {.scale = 2.3, .low = 0.1});
  // Channels count the image's alone; a class token is no channel.
  NoGuide none;
  GuidedPrediction prediction(network, none,
                              {.labels = at::zeros({3}, at::kLong),
                               .null_label = 1,
                               .class_token_width = 3,
                               .channel_size = 4},
                              {.scale = 2, .channels = 2});
  CHECK_THROWS_WITH(prediction(reference.read("start"), 0.5),
                    "sampling: expected at most 1 guided channels, found 2");
}

TEST_CASE("reg: the width of the class token is part of a checkpoint's shape") {
  NetworkShape shape;
  CHECK(network_shape_to_json(shape).find("class_token") == std::string::npos);
  shape.class_token_width = 12;
  CHECK(network_shape_from_json(network_shape_to_json(shape), "here") == shape);
}

TEST_CASE("reg: a class token and a network without one, or the reverse, are refused") {
  NetworkShape shape;
  shape.size = {1, 16, 2, 2};
  shape.channels = 1;
  shape.height = shape.width = 4;
  shape.classes = 2;
  const auto x = at::zeros({2, 1, 4, 4});
  const Conditioning conditioning{at::zeros({2}, at::kLong), {}};
  DiffusionTransformer without(shape, at::kCPU, 1);
  CHECK_THROWS_WITH(without.forward(x, at::zeros({2}), conditioning, false, at::zeros({2, 3})),
                    "network: a class token was given, but this network has none");
  shape.class_token_width = 3;
  DiffusionTransformer with(shape, at::kCPU, 1);
  CHECK_THROWS_WITH(with.forward(x, at::zeros({2}), conditioning),
                    "network: expected class token of shape [2, 3], found none");
  shape.learn_sigma = true;
  CHECK_THROWS_WITH(DiffusionTransformer(shape, at::kCPU, 1),
                    Catch::Contains("a class token has no variance"));
}
