/// The Philox normal kernel against fill_normal, its CPU reference: shapes that end inside a Philox
/// block, scattered sample indices, a seed with a high word. Exit code 77: no GPU here.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <cuda_runtime_api.h>

#include <d2c/core/rng.hpp>
#include <d2c/kernels/variants.hpp>

namespace {

constexpr int skipped = 77;

void require(cudaError_t status, const char* what) {
  if (status != cudaSuccess) {
    std::printf("%s: %s\n", what, cudaGetErrorString(status));
    std::exit(1);
  }
}

/// Largest absolute difference between the kernel and fill_normal; an error where one is NaN.
double largest_difference(const d2c::Draw& base, const std::vector<std::int64_t>& samples,
                          std::int64_t count) {
  const auto rows = static_cast<std::int64_t>(samples.size());
  const auto size = static_cast<std::size_t>(rows * count);
  void* out = nullptr;
  void* ids = nullptr;
  require(cudaMalloc(&out, size * sizeof(float)), "cudaMalloc");
  require(cudaMalloc(&ids, samples.size() * sizeof(std::int64_t)), "cudaMalloc");
  require(cudaMemset(out, 0xff, size * sizeof(float)), "cudaMemset"); // NaN: unwritten shows
  require(cudaMemcpy(ids, samples.data(), samples.size() * sizeof(std::int64_t),
                     cudaMemcpyHostToDevice),
          "cudaMemcpy");
  const d2c::PhiloxNormalParams params{.out = out,
                                       .samples = static_cast<const std::int64_t*>(ids),
                                       .rows = rows,
                                       .count = count,
                                       .base = base};
  d2c::launch_philox_normal(params, nullptr);
  std::vector<float> made(size);
  require(cudaMemcpy(made.data(), out, size * sizeof(float), cudaMemcpyDeviceToHost), "kernel");
  require(cudaFree(out), "cudaFree");
  require(cudaFree(ids), "cudaFree");

  std::vector<float> expected(static_cast<std::size_t>(count));
  double largest = 0;
  for (std::size_t row = 0; row < samples.size(); ++row) {
    auto draw = base;
    draw.sample = static_cast<std::uint32_t>(samples[row]);
    d2c::fill_normal(draw, expected.data(), count);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double difference = std::abs(double{made[row * expected.size() + i]} - expected[i]);
      largest = std::isnan(difference) ? INFINITY : std::max(largest, difference);
    }
  }
  return largest;
}

} // namespace

int main() {
  int devices = 0;
  if (const auto status = cudaGetDeviceCount(&devices); status != cudaSuccess || devices == 0) {
    std::printf("skipped: no GPU here (%s)\n", cudaGetErrorString(status));
    return skipped;
  }
  const d2c::Draw base{
      .seed = 0x123456789abcdefull, .stream = d2c::Stream::noise, .step = 7, .sample = 0};
  int failures = 0;
  for (const std::int64_t count : {1, 2, 3, 4, 5, 784, 4096, 100003}) {
    const double difference = largest_difference(base, {0, 5, 59999, 4294967295}, count);
    std::printf("count %6lld: largest difference %.3g\n", static_cast<long long>(count),
                difference);
    failures += difference <= 1e-6 ? 0 : 1;
  }
  std::printf("%s\n", failures == 0 ? "passed" : "failed: more than 1e-6 apart");
  return failures == 0 ? 0 : 1;
}
