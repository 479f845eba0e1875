// The fused blocks of frozen encoders. Oracle: the block's equations as tensor operators in
// float64.

#include <cmath>
#include <cstdint>
#include <initializer_list>

#include <catch.hpp>

#include <d2c/models/frozen_blocks.hpp>

namespace {

using namespace d2c;
using cpu::EncoderActivation;

Tensor wide(const Tensor& x) {
  return x.defined() ? x.to(at::kDouble) : x;
}

Tensor activated(EncoderActivation kind, const Tensor& x) {
  switch (kind) {
  case EncoderActivation::relu:
    return at::relu(x);
  case EncoderActivation::gelu:
    return at::gelu(x);
  case EncoderActivation::gelu_tanh:
    return at::gelu(x, "tanh");
  case EncoderActivation::silu:
    return at::silu(x);
  case EncoderActivation::quick_gelu:
    break;
  }
  return x * at::sigmoid(1.702 * x);
}

Tensor norm(const cpu::EncoderSizes& sizes, const Tensor& x, const Tensor& weight,
            const Tensor& shift) {
  const double epsilon = sizes.epsilon;
  if (sizes.centred) {
    return at::layer_norm(x, {x.size(-1)}, wide(weight), wide(shift), epsilon);
  }
  return x * at::rsqrt(x.square().mean({-1}, true) + epsilon) * wide(weight);
}

Tensor affine(const Tensor& x, const FrozenLinear& map) {
  return at::linear(x, wide(map.weight), wide(map.bias));
}

Tensor by_operators(const cpu::EncoderSizes& sizes, const FrozenBlock& block, const Tensor& x,
                    const Tensor& bias, const Tensor& mask) {
  const auto n = x.size(0);
  const auto tokens = x.size(1);
  const Tensor qkv = affine(norm(sizes, x, block.norm1, block.norm1_shift), block.qkv)
                         .view({n, tokens, 3, sizes.heads, sizes.head_width})
                         .permute({2, 0, 3, 1, 4});
  Tensor logits = at::matmul(qkv[0], qkv[1].transpose(2, 3)) * static_cast<double>(sizes.scale);
  if (bias.defined()) {
    logits = logits + wide(bias);
  }
  if (mask.defined()) {
    logits = logits + wide(mask).view({n, 1, 1, tokens});
  }
  const Tensor mixed = at::matmul(at::softmax(logits, -1), qkv[2])
                           .transpose(1, 2)
                           .reshape({n, tokens, sizes.inner()});
  const Tensor middle = x + affine(mixed, block.projection);
  const Tensor normal = norm(sizes, middle, block.norm2, block.norm2_shift);
  Tensor inner = activated(sizes.activation, affine(normal, block.first));
  if (sizes.gated) {
    inner = inner * affine(normal, block.gate);
  }
  return middle + affine(inner, block.second);
}

Tensor matrix(std::int64_t out, std::int64_t in) {
  return at::randn({out, in}) / std::sqrt(static_cast<double>(in));
}

FrozenBlock random_block(const cpu::EncoderSizes& sizes) {
  const auto vector = [&](std::int64_t size) { return at::randn({size}) * 0.3; };
  const auto map = [&](std::int64_t out, std::int64_t in) {
    return FrozenLinear{matrix(out, in), sizes.centred ? vector(out) : Tensor{}};
  };
  FrozenBlock block;
  block.norm1 = vector(sizes.width) + 1.0;
  block.norm2 = vector(sizes.width) + 1.0;
  if (sizes.centred) {
    block.norm1_shift = vector(sizes.width);
    block.norm2_shift = vector(sizes.width);
  }
  block.qkv = map(3 * sizes.inner(), sizes.width);
  block.projection = map(sizes.width, sizes.inner());
  block.first = map(sizes.hidden, sizes.width);
  if (sizes.gated) {
    block.gate = map(sizes.hidden, sizes.width);
  }
  block.second = map(sizes.width, sizes.hidden);
  return block;
}

/// Two blocks; the largest difference over the largest value.
double difference(const cpu::EncoderSizes& sizes, std::int64_t images, std::int64_t tokens,
                  bool biased, const cpu::BlockKernels& kernels) {
  FrozenBlocks blocks{sizes, kernels};
  Tensor x = at::randn({images, tokens, sizes.width});
  Tensor bias;
  Tensor mask;
  if (biased) {
    bias = at::randn({sizes.heads, tokens, tokens});
    mask = at::where(at::rand({images, tokens}) < 0.3, -1e30, 0.0).to(at::kFloat);
    mask.select(1, 0).zero_();
  }
  Tensor wanted = x.to(at::kDouble);
  for (int i = 0; i < 2; ++i) {
    const FrozenBlock block = random_block(sizes);
    blocks.add(block);
    wanted = by_operators(sizes, block, wanted, bias, mask);
  }
  blocks.forward(x, bias, mask);
  return ((x - wanted).abs().max() / wanted.abs().max()).item<double>();
}

} // namespace

TEST_CASE(
    "frozen blocks: every activation, norm, bias and number of images agrees with operators") {
  // Sums of at most 600 terms of about one: 600 roundings of 6e-8, in two blocks after each other.
  constexpr double rounding = 5e-5;
  bool found = false;
  for (const auto set : {cpu::InstructionSet::avx2, cpu::InstructionSet::avx512}) {
    const cpu::BlockKernels* kernels = cpu::block_kernels(set);
    if (kernels == nullptr) {
      continue;
    }
    found = true;
    INFO(kernels->name);
    for (const auto kind :
         {EncoderActivation::relu, EncoderActivation::gelu, EncoderActivation::gelu_tanh,
          EncoderActivation::silu, EncoderActivation::quick_gelu}) {
      INFO("activation " << static_cast<int>(kind));
      // Widths that fill no vector and no panel; more hidden columns than one pass takes.
      CHECK(difference({44, 3, 20, 600, kind, false, true, 1e-6F, 0.2F}, 5, 37, false, *kernels) <
            rounding);
      CHECK(difference({64, 2, 24, 88, kind, true, false, 1e-6F, 1.0F}, 40, 16, true, *kernels) <
            rounding);
    }
    // One image for all threads, and more rows than one pass takes.
    CHECK(difference({48, 3, 16, 96, EncoderActivation::gelu, false, true, 1e-5F, 0.25F}, 1, 300,
                     true, *kernels) < rounding);
  }
  if (!found) {
    WARN("this processor has neither AVX2 nor AVX-512: nothing was compared");
  }
}

TEST_CASE("frozen blocks: results depend on neither the threads nor the other images") {
  const cpu::BlockKernels* kernels = cpu::block_kernels();
  if (kernels == nullptr) {
    WARN("this processor has neither AVX2 nor AVX-512: nothing was compared");
    return;
  }
  const cpu::EncoderSizes sizes{64, 2, 32, 200, EncoderActivation::gelu, false, true, 1e-6F, 0.2F};
  FrozenBlocks blocks{sizes, *kernels};
  blocks.add(random_block(sizes));
  const Tensor x = at::randn({11, 50, sizes.width});
  Tensor all = x.clone();
  blocks.forward(all);
  Tensor one = x.slice(0, 4, 5).clone();
  blocks.forward(one);
  CHECK(at::equal(one[0], all[4]));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  Tensor alone = x.clone();
  blocks.forward(alone);
  at::set_num_threads(threads);
  CHECK(at::equal(alone, all));
}
