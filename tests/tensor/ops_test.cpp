// Oracles: torch's own operators and autograd in float64.

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch.hpp>

#include <d2c/app/torch_backend.hpp>
#include <d2c/models/block.hpp>
#include <d2c/models/diffusion_transformer.hpp>
#include <d2c/models/fused_projector.hpp>
#include <d2c/ops/attention.hpp>
#include <d2c/ops/gate_residual.hpp>
#include <d2c/ops/gelu.hpp>
#include <d2c/ops/layer_norm_modulate.hpp>
#include <d2c/ops/linear.hpp>
#include <d2c/ops/patches.hpp>
#include <d2c/ops/timestep_features.hpp>
#include <d2c/tensor/device.hpp>
#include <d2c/tensor/large_memory.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/random_normal.hpp>

using namespace d2c;

namespace {

Tensor random(at::IntArrayRef sizes) {
  return at::randn(sizes, at::kDouble);
}

Tensor leaf(at::IntArrayRef sizes) {
  return random(sizes).requires_grad_(true);
}

double difference(const Tensor& a, const Tensor& b) {
  REQUIRE(a.sizes() == b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>() /
         std::max(1e-300, b.to(at::kDouble).abs().max().item<double>());
}

} // namespace

TEST_CASE("ops: layer norm with modulation and its gradients equal autograd") {
  const auto x = leaf({3, 5, 12});
  const auto shift = leaf({3, 12});
  const auto scale = leaf({3, 12});
  const auto dy = random({3, 5, 12});
  const auto expected =
      at::layer_norm(x, {12}, {}, {}, 1e-6) * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1);
  expected.backward(dy);
  const at::NoGradGuard no_grad;
  const auto found = layer_norm_modulate(x, shift, scale);
  CHECK(difference(found.output, expected) < 1e-13);
  const auto d = layer_norm_modulate_backward(dy, x, found.mean, found.rstd, scale);
  CHECK(difference(d.x, x.grad()) < 1e-12);
  CHECK(difference(d.shift, shift.grad()) < 1e-13);
  CHECK(difference(d.scale, scale.grad()) < 1e-12);
}

TEST_CASE("ops: gated residual and its gradients equal autograd") {
  const auto x = leaf({2, 3, 4});
  const auto gate = leaf({2, 4});
  const auto branch = leaf({2, 3, 4});
  const auto dy = random({2, 3, 4});
  const auto expected = x + gate.unsqueeze(1) * branch;
  expected.backward(dy);
  const at::NoGradGuard no_grad;
  CHECK(difference(gate_residual(x, gate, branch), expected) < 1e-14);
  const auto d = gate_residual_backward(dy, gate, branch);
  CHECK(difference(d.branch, branch.grad()) < 1e-14);
  CHECK(difference(d.gate, gate.grad()) < 1e-14);
  CHECK(difference(dy, x.grad()) == 0.0);
}

TEST_CASE("ops: attention and its gradient equal scaled dot product attention") {
  const std::int64_t heads = 3;
  const auto qkv = leaf({2, 7, 3 * 24});
  const auto dy = random({2, 7, 24});
  const auto parts = qkv.view({2, 7, 3, heads, 8}).permute({2, 0, 3, 1, 4});
  const auto expected = at::scaled_dot_product_attention(parts[0], parts[1], parts[2])
                            .transpose(1, 2)
                            .reshape({2, 7, 24});
  expected.backward(dy);
  const at::NoGradGuard no_grad;
  const auto found = attention(qkv, heads);
  CHECK(difference(found.output, expected) < 1e-13);
  CHECK(difference(attention_backward(dy, qkv, found, heads), qkv.grad()) < 1e-12);
}

TEST_CASE("ops: linear adds to its gradients") {
  ParameterTable table({{"layer.weight", {4, 3}}, {"layer.bias", {4}}}, at::kCPU, at::kDouble);
  table.values().copy_(random({16}));
  const auto layer = bind_linear(table, "layer");
  const auto x = leaf({5, 3});
  const auto weight = table.value("layer.weight").clone().requires_grad_(true);
  const auto bias = table.value("layer.bias").clone().requires_grad_(true);
  const auto dy = random({5, 4});
  const auto expected = at::linear(x, weight, bias);
  expected.backward(dy);
  const at::NoGradGuard no_grad;
  CHECK(difference(linear(layer, x), expected) < 1e-14);
  CHECK(difference(linear_backward_input(layer, dy), x.grad()) < 1e-14);
  linear_backward_parameters(layer, x, dy);
  linear_backward_parameters(layer, x, dy);
  CHECK(difference(table.gradient("layer.weight"), 2 * weight.grad()) < 1e-14);
  CHECK(difference(table.gradient("layer.bias"), 2 * bias.grad()) < 1e-14);
}

TEST_CASE("ops: unpatchify puts the channel fastest, patches put it slowest") {
  // 2 x 2 tokens of patch 2, one channel: values worked out by hand
  const auto tokens = at::arange(16, at::kDouble).view({4, 4});
  const auto image = unpatchify(tokens, {1, 1, 4, 4}, 2);
  const auto expected = at::tensor({0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15})
                            .to(at::kDouble)
                            .view({1, 1, 4, 4});
  CHECK(at::equal(image, expected));
  const auto two = unpatchify(at::arange(32, at::kDouble).view({4, 8}), {1, 2, 4, 4}, 2);
  CHECK(two[0][0][0][1].item<double>() == 2.0);
  CHECK(two[0][1][0][1].item<double>() == 3.0);
  CHECK(at::equal(unpatchify_backward(two, 2), at::arange(32, at::kDouble).view({4, 8})));

  const auto oblong = random({2, 3, 4, 8});
  const auto weight = random({5, 3, 2, 2});
  const auto convolved = at::conv2d(oblong, weight, {}, 2).flatten(2).transpose(1, 2);
  const auto patches = patches_from_image(oblong, 2);
  CHECK(difference(at::mm(patches, weight.view({5, -1}).t()).view({2, 8, 5}), convolved) < 1e-14);
  CHECK(at::equal(image_from_patches(patches, oblong.sizes(), 2), oblong));
}

TEST_CASE("ops: timestep features have the published frequencies") {
  const auto f = timestep_features(at::tensor({1.0f, 0.0f}));
  CHECK(f.sizes() == at::IntArrayRef({2, 256}));
  CHECK(f[0][0].item<double>() == Approx(std::cos(1.0)));
  CHECK(f[0][128].item<double>() == Approx(std::sin(1.0)));
  CHECK(f[0][129].item<double>() == Approx(std::sin(0.93057203)));
  CHECK(f[0][192].item<double>() == Approx(std::sin(0.0099999998)));
  CHECK(f[0][255].item<double>() == Approx(std::sin(1.0746076e-4)));
  CHECK(f[1][0].item<double>() == 1.0);
  CHECK(f[1][200].item<double>() == 0.0);
}

TEST_CASE("fused block: every instruction set agrees with the operators in float64") {
  struct Sizes {
    std::int64_t batch, tokens, width, heads, hidden;
  };

  for (const auto& s :
       {Sizes{3, 49, 64, 2, 256}, Sizes{5, 16, 36, 3, 72}, Sizes{2, 70, 144, 2, 288},
        Sizes{9, 1, 4, 1, 4}, Sizes{2, 3, 20, 5, 44},
        // gradients of the weights in products over all rows, in several pieces
        Sizes{9, 65, 160, 2, 640}, Sizes{3, 20, 192, 3, 1100}, Sizes{5, 33, 544, 4, 2176}}) {
    INFO("width " << s.width << ", tokens " << s.tokens);
    // Rounding of sums grows with the root of their length.
    const double rounding = 2e-6 * std::max(1.0, std::sqrt(static_cast<double>(s.hidden) / 512));
    ParameterTable table({{"blocks.0.attn.qkv.weight", {3 * s.width, s.width}},
                          {"blocks.0.attn.qkv.bias", {3 * s.width}},
                          {"blocks.0.attn.proj.weight", {s.width, s.width}},
                          {"blocks.0.attn.proj.bias", {s.width}},
                          {"blocks.0.mlp.fc1.weight", {s.hidden, s.width}},
                          {"blocks.0.mlp.fc1.bias", {s.hidden}},
                          {"blocks.0.mlp.fc2.weight", {s.width, s.hidden}},
                          {"blocks.0.mlp.fc2.bias", {s.width}}},
                         at::kCPU);
    ParameterTable exact(table.entries(), at::kCPU, at::kDouble);
    table.values().normal_().div_(std::sqrt(static_cast<double>(s.width)));
    exact.values().copy_(table.values());
    const auto fused =
        bind_block(table, 0, s.heads, BlockPath::fused, std::make_shared<BufferPool>());
    const auto plain = bind_block(exact, 0, s.heads, BlockPath::operators, nullptr);
    const auto x = at::randn({s.batch, s.tokens, s.width});
    const auto modulation = at::randn({s.batch, 7 * s.width}).narrow(1, s.width / 2, 6 * s.width);
    const auto dy = at::randn(x.sizes());

    const at::NoGradGuard no_grad;
    BlockSaved kept;
    const auto expected =
        block_forward(plain, x.to(at::kDouble), modulation.to(at::kDouble), &kept);
    const auto [dx, dmodulation] = block_backward(plain, dy.to(at::kDouble), x.to(at::kDouble),
                                                  modulation.to(at::kDouble), kept);
    int sets = 0;
    for (const auto set : {cpu::InstructionSet::avx2, cpu::InstructionSet::avx512}) {
      const auto* kernels = cpu::block_kernels(set);
      if (kernels == nullptr) {
        continue;
      }
      ++sets;
      INFO(kernels->name);
      table.zero_gradients();
      BlockSaved saved;
      CHECK(difference(fused_block_forward(fused, x, modulation, saved, *kernels), expected) <
            rounding);
      CHECK(difference(fused_blocks_inference({&fused, 1}, x, {&modulation, 1}, *kernels),
                       expected) < rounding);
      const auto [fdx, fdmodulation] =
          fused_block_backward(fused, dy, x, modulation, saved, *kernels);
      CHECK(difference(fdx, dx) < 5e-6);
      CHECK(difference(fdmodulation, dmodulation) < 5e-6);
      for (const auto& entry : table.entries()) {
        INFO(entry.name);
        CHECK(difference(table.gradient(entry.name), exact.gradient(entry.name)) < 5e-6);
      }
    }
    CHECK(sets > 0);
  }
}

TEST_CASE("fused projector: every instruction set agrees with autograd in float64") {
  struct Sizes {
    std::int64_t rows, in, hidden, out;
  };

  for (const auto& s : {Sizes{147, 64, 256, 112}, Sizes{1, 5, 7, 3}, Sizes{530, 36, 150, 130},
                        Sizes{140, 20, 1060, 40}}) {
    INFO("hidden " << s.hidden << ", rows " << s.rows);
    ParameterTable table({{"a.weight", {s.hidden, s.in}},
                          {"a.bias", {s.hidden}},
                          {"b.weight", {s.hidden, s.hidden}},
                          {"b.bias", {s.hidden}},
                          {"c.weight", {s.out, s.hidden}},
                          {"c.bias", {s.out}}},
                         at::kCPU);
    ParameterTable exact(table.entries(), at::kCPU, at::kDouble);
    table.values().normal_().div_(std::sqrt(static_cast<double>(s.hidden)));
    exact.values().copy_(table.values());
    const auto a = bind_linear(table, "a");
    const auto b = bind_linear(table, "b");
    const auto c = bind_linear(table, "c");
    const auto x = at::randn({s.rows, s.in});
    const auto dy = at::randn({s.rows, s.out});
    const auto input = x.to(at::kDouble).requires_grad_(true);
    const auto layer = [&](const Tensor& rows, const std::string& name) {
      return at::linear(rows, exact.leaf(name + ".weight"), exact.leaf(name + ".bias"));
    };
    const auto expected = layer(at::silu(layer(at::silu(layer(input, "a")), "b")), "c");
    expected.backward(dy.to(at::kDouble));
    const at::NoGradGuard no_grad;
    BufferPool pool;
    int sets = 0;
    for (const auto set : {cpu::InstructionSet::avx2, cpu::InstructionSet::avx512}) {
      const auto* kernels = cpu::block_kernels(set);
      if (kernels == nullptr) {
        continue;
      }
      ++sets;
      INFO(kernels->name);
      table.zero_gradients();
      Tensor hidden1;
      Tensor hidden2;
      CHECK(difference(fused_projector_forward({&a, &b, &c}, x, hidden1, hidden2, pool, *kernels),
                       expected) < 2e-6);
      CHECK(difference(
                fused_projector_backward({&a, &b, &c}, dy, x, hidden1, hidden2, pool, *kernels),
                input.grad()) < 5e-6);
      for (const auto& entry : table.entries()) {
        INFO(entry.name);
        CHECK(difference(table.gradient(entry.name), exact.leaf(entry.name).grad()) < 5e-6);
      }
    }
    CHECK(sets > 0);
  }
}

TEST_CASE("large zeros: zero, aligned, and writable to the last element") {
  for (const std::int64_t count : {std::int64_t{3}, std::int64_t{2000001}}) {
    for (const auto dtype : {at::kFloat, at::kDouble}) {
      const auto zeros = large_zeros(count, dtype);
      CHECK(zeros.sizes() == at::IntArrayRef{count});
      CHECK(zeros.scalar_type() == dtype);
      CHECK(reinterpret_cast<std::uintptr_t>(zeros.const_data_ptr()) % 64 == 0);
      CHECK(zeros.count_nonzero().item<std::int64_t>() == 0);
      zeros.fill_(2);
      CHECK(zeros.sum().item<double>() == 2.0 * static_cast<double>(count));
    }
  }
}

TEST_CASE("fused block: a sample's result does not depend on its batch") {
  NetworkShape shape;
  shape.size = {3, 64, 2, 4};
  shape.channels = 1;
  shape.height = shape.width = 28;
  shape.classes = 10;
  DiffusionTransformer network(shape, at::kCPU, 1, at::kFloat, BlockPath::fused);
  network.parameters().values().add_(at::randn_like(network.parameters().values()) * 0.05);
  const auto x = at::randn({6, 1, 28, 28});
  const auto t = at::rand({6});
  const auto labels = at::randint(10, {6}, at::kLong);
  const at::NoGradGuard no_grad;
  const auto all = network.forward(x, t, {labels, {}}).prediction;
  const auto some =
      network.forward(x.narrow(0, 2, 3), t.narrow(0, 2, 3), {labels.narrow(0, 2, 3), {}});
  CHECK(difference(some.prediction, all.narrow(0, 2, 3)) < 1e-6);
}

TEST_CASE("gelu: value and derivative of the fused kernels against float64") {
  const auto x =
      at::cat({at::linspace(-12, 12, 4001, at::kFloat), at::tensor({-1e4f, 0.0f, 1e4f})});
  const auto exact = x.to(at::kDouble).requires_grad_(true);
  const auto expected = gelu_tanh(exact);
  expected.sum().backward();
  const at::NoGradGuard no_grad;
  CHECK(difference(gelu_tanh_backward(at::ones_like(exact), exact), exact.grad()) < 1e-14);
  const auto count = x.numel();
  const auto compare = [&](auto forward, auto backward) {
    auto y = at::empty_like(x);
    auto again = at::empty_like(x);
    auto slope = at::ones_like(x);
    forward(count, x.const_data_ptr<float>(), y.mutable_data_ptr<float>());
    backward(count, x.const_data_ptr<float>(), again.mutable_data_ptr<float>(),
             slope.mutable_data_ptr<float>());
    CHECK(at::equal(y, again));
    // the exponent's own rounding, up to 10 units of 6e-8 where the value is not yet negligible
    const auto bound = 1.5e-6 * at::clamp(expected.abs(), 1e-3);
    CHECK(((y.to(at::kDouble) - expected).abs() <= bound).all().item<bool>());
    CHECK((slope.to(at::kDouble) - exact.grad()).abs().max().item<double>() < 1e-6);
  };
  if (cpu::block_kernels(cpu::InstructionSet::avx2) != nullptr) {
    compare(cpu::avx2::gelu_forward, cpu::avx2::gelu_backward);
  }
  if (cpu::block_kernels(cpu::InstructionSet::avx512) != nullptr) {
    compare(cpu::avx512::gelu_forward, cpu::avx512::gelu_backward);
  }
}

TEST_CASE("random normal: rows depend on the sample alone") {
  const std::vector<std::int64_t> some{4, 9};
  const std::vector<std::int64_t> other{9, 1, 4};
  const Draw base{3, Stream::noise, 5, 0};
  const auto a = random_normal(base, some, {2, 3});
  const auto b = random_normal(base, other, {2, 3});
  CHECK(a.sizes() == at::IntArrayRef({2, 2, 3}));
  CHECK(at::equal(a[0], b[2]));
  CHECK(at::equal(a[1], b[0]));
  CHECK_FALSE(at::equal(b[0], b[1]));
  CHECK(random_normal(base, std::vector<std::int64_t>{}, {2}).numel() == 0);
  CHECK(at::equal(random_normal(base, other, {2, 3}, at::kCPU), b));
}

TEST_CASE("torch backend: GPUs compute in full float32 unless TF32 is allowed") {
  const TorchBackend backend;
  backend.allow_tf32(true);
  CHECK(at::globalContext().allowTF32CuDNN());
  CHECK(at::globalContext().allowTF32CuBLAS());
  CHECK(backend.precision("cuda:0").find("products in TF32") != std::string::npos);
  backend.allow_tf32(false);
  CHECK_FALSE(at::globalContext().allowTF32CuDNN());
  CHECK_FALSE(at::globalContext().allowTF32CuBLAS());
  CHECK(backend.precision("cuda:0").find("TF32 off") != std::string::npos);
}

TEST_CASE("parallel ranges: every index once, on several threads") {
  const auto threads = at::get_num_threads();
  at::set_num_threads(2);
  std::vector<std::atomic<int>> seen(1001);
  std::mutex mutex;
  std::set<std::thread::id> ids;
  parallel_ranges(1001, 100, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) {
      ++seen[static_cast<std::size_t>(i)];
    }
    const std::lock_guard lock(mutex);
    ids.insert(std::this_thread::get_id());
  });
  CHECK(std::all_of(seen.begin(), seen.end(), [](const auto& n) { return n == 1; }));
  CHECK(ids.size() == 2);
  CHECK_THROWS_AS(
      parallel_ranges(10, 1, [](std::int64_t, std::int64_t) { throw InputError("inside"); }),
      InputError);
  parallel_ranges(0, 1, [](std::int64_t, std::int64_t) { FAIL("nothing to do"); });
  at::set_num_threads(threads);
}

TEST_CASE("device: names are read or refused") {
  CHECK(device_from("cpu") == at::Device(at::kCPU));
  CHECK_THROWS_AS(device_from("gpu"), InputError);
  CHECK_THROWS_AS(device_from("cuda:"), InputError);
  CHECK_THROWS_AS(device_from("cuda:99"), InputError);
}
