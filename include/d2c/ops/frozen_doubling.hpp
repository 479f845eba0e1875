#pragma once
/// Doubling by nearest neighbours and the convolution behind it, in one step, for frozen networks.

#include <array>
#include <cstddef>
#include <cstdint>

#include <d2c/ops/frozen_convolution.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Each place of the doubled image sees but 2 x 2 places of the image, so that a convolution over 3
/// x 3 is one over 2 x 2 for each of the four parities, with sums of the weights: 4/9 of the
/// operations, and the doubled input never exists.
class FrozenDoubling {
public:
  FrozenDoubling() = default;

  /// weight [out, in, 3, 3], bias [out], float32; `side` of the images that it will mostly see,
  /// before they are doubled.
  FrozenDoubling(const Tensor& weight, const Tensor& bias, std::int64_t side) {
    // Even places see what lies before them once and themselves twice; odd ones the other way.
    const auto merged = [](const Tensor& w, std::int64_t dim, std::int64_t parity) {
      const auto part = [&](std::int64_t i) { return w.select(dim, i); };
      return parity == 0 ? at::stack({part(0), part(1) + part(2)}, dim)
                         : at::stack({part(0) + part(1), part(2)}, dim);
    };
    for (std::int64_t row = 0; row < 2; ++row) {
      for (std::int64_t column = 0; column < 2; ++column) {
        const Tensor part = merged(merged(weight.to(at::kDouble), 2, row), 3, column);
        parts_[static_cast<std::size_t>(2 * row + column)] = {
            part.to(at::kFloat), bias, {{1, 1}, {1, 1}, side, side}};
      }
    }
  }

  /// x [n, in, H, W] -> [n, out, 2 H, 2 W], channels last.
  [[nodiscard]] Tensor operator()(const Tensor& x) const {
    const std::int64_t rows = x.size(2);
    const std::int64_t columns = x.size(3);
    Tensor y;
    for (std::int64_t row = 0; row < 2; ++row) {
      for (std::int64_t column = 0; column < 2; ++column) {
        const Tensor part = parts_[static_cast<std::size_t>(2 * row + column)](x);
        if (!y.defined()) {
          y = at::empty({x.size(0), part.size(1), 2 * rows, 2 * columns}, x.options(),
                        at::MemoryFormat::ChannelsLast);
        }
        y.slice(2, row, 2 * rows, 2)
            .slice(3, column, 2 * columns, 2)
            .copy_(part.narrow(2, row, rows).narrow(3, column, columns));
      }
    }
    return y;
  }

private:
  std::array<FrozenConvolution, 4> parts_;
};

} // namespace d2c
