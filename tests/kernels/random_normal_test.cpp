/// random_normal on a GPU against random_normal on the CPU: scattered samples, ends inside a Philox
/// block, no samples, a stream of its own. Exit code 77: no GPU here.

#include <cstdint>
#include <cstdio>
#include <vector>

#include <d2c/core/rng.hpp>
#include <d2c/tensor/random_normal.hpp>
#include <d2c/tensor/torch.hpp>

static_assert(D2C_HAS_KERNELS, "this test compares the kernel with the CPU");

namespace {

constexpr int skipped = 77;
constexpr double bound = 1e-6;

/// Largest absolute difference between the devices; infinite where shape, type or place differ.
double largest_difference(const d2c::Draw& base, const std::vector<std::int64_t>& samples,
                          const std::vector<std::int64_t>& shape) {
  const at::Device gpu{at::kCUDA, 0};
  const d2c::Tensor expected = d2c::random_normal(base, samples, shape);
  const d2c::Tensor made = d2c::random_normal(base, samples, shape, gpu);
  if (made.device() != gpu || made.scalar_type() != at::kFloat ||
      made.sizes() != expected.sizes()) {
    return 1.0 / 0.0;
  }
  if (expected.numel() == 0) {
    return 0;
  }
  const d2c::Tensor difference = (made.cpu() - expected).abs();
  return difference.isnan().any().item<bool>() ? 1.0 / 0.0 : difference.max().item<double>();
}

} // namespace

int main() {
  if (!at::hasCUDA() || at::detail::getCUDAHooks().deviceCount() == 0) {
    std::printf("skipped: no GPU here\n");
    return skipped;
  }
  const d2c::Draw base{
      .seed = 0x123456789abcdefull, .stream = d2c::Stream::noise, .step = 7, .sample = 99};
  int failures = 0;
  const auto check = [&](const char* what, double difference) {
    std::printf("%-28s largest difference %.3g\n", what, difference);
    failures += difference <= bound ? 0 : 1;
  };
  check("latents of four samples",
        largest_difference(base, {0, 5, 59999, 4294967295}, {4, 32, 32}));
  check("rows of 3 x 5 x 7", largest_difference(base, {12, 3}, {3, 5, 7}));
  check("one number", largest_difference(base, {1}, {1}));
  check("no samples", largest_difference(base, {}, {4, 8, 8}));
  {
    // A stream other than the default one: what follows on it must see the noise.
    const c10::impl::VirtualGuardImpl cuda(at::kCUDA);
    const c10::StreamGuard guard(cuda.getNewStream({at::kCUDA, 0}));
    check("on a stream of its own", largest_difference(base, {8, 9}, {1, 28, 28}));
  }
  std::printf("%s\n", failures == 0 ? "passed" : "failed: more than 1e-6 apart");
  return failures == 0 ? 0 : 1;
}
