/// Matrix products of the CPU kernels, to the bit. Oracle: by hand, a chain of fused multiply-adds
/// in the order of k, which no tiling may change.

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <catch.hpp>

#include <d2c/ops/cpu/block_kernels.hpp>

using namespace d2c;

namespace {

constexpr auto wide = cpu::InstructionSet::avx512;
constexpr auto narrow = cpu::InstructionSet::avx2;

std::vector<float> numbers(std::int64_t count, unsigned seed) {
  std::mt19937 generator{seed};
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) {
    value = normal(generator);
  }
  return values;
}

std::vector<float> packed(const cpu::BlockKernels& kernels, std::int64_t out, std::int64_t in,
                          const std::vector<float>& matrix) {
  std::vector<float> panels(static_cast<std::size_t>(kernels.packed_size(out, in, false)));
  for (std::int64_t i = 0; i < kernels.packed_panels(out, in, false); ++i) {
    kernels.pack_panel(out, in, matrix.data(), false, i, panels.data());
  }
  return panels;
}

/// By hand: y(i, j) starts at the bias and takes one fused multiply-add for each k in order.
std::vector<float> chains(std::int64_t rows, std::int64_t in, std::int64_t out,
                          const std::vector<float>& x, const std::vector<float>& matrix,
                          const std::vector<float>& bias) {
  std::vector<float> y;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < out; ++j) {
      float sum = bias[static_cast<std::size_t>(j)];
      for (std::int64_t k = 0; k < in; ++k) {
        sum = std::fma(x[static_cast<std::size_t>(i * in + k)],
                       matrix[static_cast<std::size_t>(j * in + k)], sum);
      }
      y.push_back(sum);
    }
  }
  return y;
}

/// The product by the kernels; what stands behind it must not be written.
std::vector<float> product(const cpu::BlockKernels& kernels, std::int64_t rows, std::int64_t in,
                           std::int64_t out, const std::vector<float>& x,
                           const std::vector<float>& matrix, const std::vector<float>& bias) {
  constexpr std::size_t margin = 64;
  const auto panels = packed(kernels, out, in, matrix);
  std::vector<float> y(static_cast<std::size_t>(rows * out) + margin, -7.0f);
  kernels.affine(rows, in, out, x.data(), panels.data(), bias.data(), y.data());
  for (std::size_t i = 0; i < margin; ++i) {
    REQUIRE(y[y.size() - 1 - i] == -7.0f);
  }
  y.resize(y.size() - margin);
  return y;
}

void require_chains(cpu::InstructionSet set, std::int64_t rows, std::int64_t in, std::int64_t out) {
  const auto* kernels = cpu::block_kernels(set);
  if (kernels == nullptr) {
    WARN("this processor lacks the instruction set");
    return;
  }
  CAPTURE(kernels->name, rows, in, out);
  const auto x = numbers(rows * in, 1);
  const auto matrix = numbers(out * in, 2);
  const auto bias = numbers(out, 3);
  REQUIRE(product(*kernels, rows, in, out, x, matrix, bias) ==
          chains(rows, in, out, x, matrix, bias));
}

} // namespace

TEST_CASE("products on the CPU: every number of rows and columns gives the same chains, AVX2") {
  for (std::int64_t rows = 1; rows <= 14; ++rows) {
    for (std::int64_t out = 1; out <= 50; ++out) {
      require_chains(narrow, rows, 5, out);
    }
  }
}

TEST_CASE("products on the CPU: every number of rows and columns gives the same chains, AVX-512") {
  for (std::int64_t rows = 1; rows <= 18; ++rows) {
    for (std::int64_t out = 1; out <= 98; ++out) {
      require_chains(wide, rows, 5, out);
    }
  }
}

TEST_CASE("products on the CPU: deep ones are cut and keep the order of the chain") {
  for (const std::int64_t depth : {1, 1023, 1024, 1025, 1537, 4096}) {
    require_chains(narrow, 9, depth, 40);
    require_chains(wide, 9, depth, 70);
  }
}

TEST_CASE("products on the CPU: no rows write nothing") {
  require_chains(narrow, 0, 8, 20);
  require_chains(wide, 0, 8, 50);
}
