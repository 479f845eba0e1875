#pragma once
/// The samples of a tensor one by one, as an adaptive solver needs them.

#include <cstdint>
#include <vector>

#include <d2c/diffusion/rows.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Rows are those of the first dimension. Sums run within a row, so no result depends on the other
/// rows.
template <>
struct Rows<Tensor> {
  [[nodiscard]] static std::int64_t count(const Tensor& x) { return x.size(0); }

  [[nodiscard]] static Tensor scaled(const Tensor& x, const std::vector<double>& factors) {
    std::vector<std::int64_t> sizes(static_cast<std::size_t>(x.dim()), 1);
    sizes[0] = x.size(0);
    return x * at::tensor(factors, at::kDouble).to(x.options()).view(sizes);
  }

  [[nodiscard]] static std::vector<double> error(const Tensor& e, const Tensor& a, const Tensor& b,
                                                 double atol, double rtol) {
    const Tensor ratio = (e / (at::maximum(a.abs(), b.abs()) * rtol + atol)).square();
    std::vector<Tensor> means;
    for (std::int64_t row = 0; row < ratio.size(0); ++row) {
      means.push_back(ratio[row].mean());
    }
    const Tensor all = at::stack(means).to(at::kCPU, at::kDouble);
    return {all.const_data_ptr<double>(), all.const_data_ptr<double>() + all.numel()};
  }

  [[nodiscard]] static Tensor take(const Tensor& x, const std::vector<std::int64_t>& rows) {
    return x.index_select(0, at::tensor(rows, at::kLong).to(x.device()));
  }

  [[nodiscard]] static Tensor put(const Tensor& into, const std::vector<std::int64_t>& rows,
                                  const Tensor& from) {
    return into.index_copy(0, at::tensor(rows, at::kLong).to(into.device()), from);
  }
};

} // namespace d2c
