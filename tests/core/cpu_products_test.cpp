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

void require_chains(const cpu::BlockKernels& kernels, std::int64_t rows, std::int64_t in,
                    std::int64_t out) {
  CAPTURE(kernels.name, rows, in, out);
  const auto x = numbers(rows * in, 1);
  const auto matrix = numbers(out * in, 2);
  const auto bias = numbers(out, 3);
  REQUIRE(product(kernels, rows, in, out, x, matrix, bias) ==
          chains(rows, in, out, x, matrix, bias));
}

/// Runs `check` with the kernels of that set, or says once that this processor has none.
template <class Check>
void with_kernels(cpu::InstructionSet set, const Check& check) {
  if (const auto* kernels = cpu::block_kernels(set)) {
    check(*kernels);
  } else {
    WARN("this processor lacks the instruction set");
  }
}

/// Every product of up to that many rows and columns.
void require_all_chains(cpu::InstructionSet set, std::int64_t most_rows,
                        std::int64_t most_columns) {
  with_kernels(set, [&](const cpu::BlockKernels& kernels) {
    for (std::int64_t rows = 1; rows <= most_rows; ++rows) {
      for (std::int64_t out = 1; out <= most_columns; ++out) {
        require_chains(kernels, rows, 5, out);
      }
    }
  });
}

} // namespace

TEST_CASE("products on the CPU: every number of rows and columns gives the same chains, AVX2") {
  require_all_chains(narrow, 14, 50);
}

TEST_CASE("products on the CPU: every number of rows and columns gives the same chains, AVX-512") {
  require_all_chains(wide, 18, 98);
}

TEST_CASE("products on the CPU: deep ones are cut and keep the order of the chain") {
  const auto depths = [](std::int64_t out) {
    return [out](const cpu::BlockKernels& kernels) {
      for (const std::int64_t depth : {1, 1023, 1024, 1025, 1537, 4096}) {
        require_chains(kernels, 9, depth, out);
      }
    };
  };
  with_kernels(narrow, depths(40));
  with_kernels(wide, depths(70));
}

TEST_CASE("products on the CPU: no rows write nothing") {
  with_kernels(narrow, [](const auto& kernels) { require_chains(kernels, 0, 8, 20); });
  with_kernels(wide, [](const auto& kernels) { require_chains(kernels, 0, 8, 50); });
}
