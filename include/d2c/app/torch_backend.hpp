#pragma once
/// The machine as LibTorch sees it.

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <d2c/app/backend.hpp>
#include <d2c/tensor/device.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Backend of every real program.
class TorchBackend : public Backend {
public:
  [[nodiscard]] std::string resolve_device(const std::string& asked) const override {
    return device_from(asked).str();
  }

  void allow_tf32(bool allowed) const override {
    // LibTorch's defaults differ: convolutions in TF32, matrix products not.
    at::globalContext().setAllowTF32CuDNN(allowed);
    at::globalContext().setAllowTF32CuBLAS(allowed);
  }

  [[nodiscard]] std::string precision(const std::string& device) const override {
    if (device != "cpu") {
      return at::globalContext().allowTF32CuBLAS()
                 ? "float32 through LibTorch's own kernels, products in TF32"
                 : "float32 through LibTorch's own kernels, TF32 off";
    }
#if defined(__x86_64__)
    if (!__builtin_cpu_supports("avx512bf16")) {
      return "float32, because this processor has no bfloat16 arithmetic";
    }
#endif
    return "float32, the precision the networks are verified in";
  }

  void set_threads(int threads) const override {
    at::set_num_threads(threads);
  }

  [[nodiscard]] std::vector<std::pair<std::string, std::string>> versions() const override {
    return {{"libtorch", TORCH_VERSION}};
  }

  [[nodiscard]] double matrix_product_rate(const std::string& device, std::int64_t rows,
                                           std::int64_t inner, std::int64_t columns,
                                           double seconds) const override {
    using Clock = std::chrono::steady_clock;
    const at::NoGradGuard no_grad;
    const auto options = at::TensorOptions().dtype(at::kFloat).device(device_from(device));
    const Tensor a = at::ones({rows, inner}, options);
    const Tensor b = at::ones({inner, columns}, options);
    Tensor c = at::mm(a, b);
    static_cast<void>(c[0][0].item<float>()); // warm, and on a GPU: finished
    const auto began = Clock::now();
    double elapsed = 0;
    std::int64_t products = 0;
    while (elapsed < seconds) {
      for (int i = 0; i < 8; ++i) {
        at::mm_out(c, a, b);
      }
      static_cast<void>(c[0][0].item<float>());
      products += 8;
      elapsed = std::chrono::duration<double>(Clock::now() - began).count();
    }
    return 2.0 * static_cast<double>(rows) * static_cast<double>(inner) *
           static_cast<double>(columns) * static_cast<double>(products) / elapsed;
  }
};

} // namespace d2c
