// Oracles: singular values by LibTorch, arithmetic by hand.

#include <cmath>
#include <limits>
#include <vector>

#include <catch.hpp>

#include <d2c/tensor/parameter_table.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/train/adamw_optimizer.hpp>
#include <d2c/train/gradient_clip.hpp>
#include <d2c/train/muon_optimizer.hpp>

using namespace d2c;

TEST_CASE("gradient norm: equals the float64 norm, at any thread count, and shows NaN") {
  const Tensor gradients = at::randn({100003});
  const double expected = gradients.to(at::kDouble).norm().item<double>();
  const double norm = gradient_norm(gradients);
  CHECK(norm == Approx(expected).epsilon(1e-12));
  const int threads = at::get_num_threads();
  at::set_num_threads(threads > 1 ? 1 : 2);
  CHECK(gradient_norm(gradients) == norm);
  at::set_num_threads(threads);
  gradients[77] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(gradient_norm(gradients)));
  CHECK(clip_factor(4.0, 1.0) == Approx(0.25));
  CHECK(clip_factor(0.5, 1.0) == 1.0);
  CHECK(clip_factor(4.0, 0.0) == 1.0);
}

TEST_CASE("adamw: the average follows by hand and zero gradients leave the weights alone") {
  ParameterTable table({{"weight", {2}}}, at::kCPU);
  table.values().fill_(2.0);
  Tensor average = at::zeros({2});
  TrainConfig config;
  auto optimizer = make_optimizer(AdamW{}, table, config);
  OptimizerStep update;
  update.ema_decay = 0.75;
  optimizer.step(update, table, average);
  CHECK(table.values()[0].item<float>() == 2.0f);
  CHECK(average[0].item<float>() == 0.5f);
  // The first update of Adam is rate * sign(gradient), whatever the gradient's size.
  ParameterTable other({{"weight", {2}}}, at::kCPU);
  other.gradients().copy_(at::tensor({1e-3, -40.0}));
  auto fresh = make_optimizer(AdamW{}, other, config);
  fresh.step(update, other, average);
  CHECK(other.values()[0].item<double>() == Approx(-1e-4).epsilon(1e-4));
  CHECK(other.values()[1].item<double>() == Approx(1e-4).epsilon(1e-4));
}

TEST_CASE("muon: orthogonalisation pulls singular values to one, tall and wide alike") {
  for (const auto& shape : {std::vector<std::int64_t>{3, 16, 16}, {2, 8, 32}, {2, 32, 8}}) {
    const Tensor directions = orthogonalize(at::randn(shape));
    const Tensor singular = at::linalg_svdvals(directions);
    CHECK(singular.max().item<double>() < 1.3);
    CHECK(singular.median().item<double>() > 0.6);
  }
  CHECK(orthogonalize(at::zeros({1, 4, 4})).abs().max().item<double>() == 0.0);
}

TEST_CASE("muon: float32 orthogonalisation stays near float64, also of nearly singular matrices") {
  // The plain iteration in float64, written once more.
  const auto plain = [](Tensor x) {
    x = x.to(at::kDouble);
    x = x / x.norm();
    for (int i = 0; i < 5; ++i) {
      const Tensor gram = x.mm(x.t());
      x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram.mm(gram)).mm(x);
    }
    return x;
  };
  for (const auto& [rows, columns] : {std::pair{32, 32}, {32, 48}, {32, 128}, {128, 32}}) {
    const Tensor random = at::randn({rows, columns});
    // Rank 4 with noise a million times smaller: what gradients of few samples look like.
    const Tensor thin = at::randn({rows, 4}).mm(at::randn({4, columns})) + 1e-6 * random;
    for (const Tensor& matrix : {random, thin}) {
      const Tensor found = orthogonalize(matrix.unsqueeze(0))[0].to(at::kDouble);
      const Tensor expected = plain(matrix);
      CHECK((found - expected).norm().item<double>() < 2e-4 * expected.norm().item<double>());
    }
  }
}

TEST_CASE("muon: a fused qkv weight is orthogonalised as three matrices") {
  ParameterTable table({{"blocks.0.attn.qkv.weight", {24, 8}}, {"blocks.0.attn.qkv.bias", {24}}},
                       at::kCPU);
  const Tensor gradient = at::randn({24, 8});
  gradient.narrow(0, 0, 8).mul_(1000.0); // must not drown the keys and values
  table.gradient("blocks.0.attn.qkv.weight").copy_(gradient);
  table.gradient("blocks.0.attn.qkv.bias").fill_(1.0);
  TrainConfig config;
  auto optimizer = make_optimizer(Muon{}, table, config);
  Tensor average = table.values().clone();
  optimizer.step({}, table, average);
  const Tensor moved = table.value("blocks.0.attn.qkv.weight") / config.muon_learning_rate;
  const Tensor expected = orthogonalize(gradient.view({3, 8, 8})).neg().view({24, 8});
  CHECK((moved - expected).abs().max().item<double>() < 1e-4);
  CHECK(table.value("blocks.0.attn.qkv.bias").abs().max().item<double>() ==
        Approx(config.learning_rate).epsilon(1e-4));
}

TEST_CASE("muon: embeddings, biases, adaLN and the projector are AdamW's") {
  const auto moved_by_muon = [](const char* name, std::vector<std::int64_t> shape) {
    return MuonOptimizer::is_block_matrix({name, std::move(shape)});
  };
  CHECK(moved_by_muon("blocks.3.mlp.fc1.weight", {32, 8}));
  CHECK_FALSE(moved_by_muon("blocks.3.mlp.fc1.bias", {32}));
  CHECK_FALSE(moved_by_muon("blocks.3.adaLN_modulation.1.weight", {48, 8}));
  CHECK_FALSE(moved_by_muon("y_embedder.embedding_table.weight", {11, 8}));
  CHECK_FALSE(moved_by_muon("projectors.0.0.weight", {16, 8}));
  CHECK_FALSE(moved_by_muon("final_layer.linear.weight", {4, 8}));
}
