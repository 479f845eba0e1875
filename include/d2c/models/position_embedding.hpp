#pragma once
/// The fixed two-dimensional sine-cosine position embedding of DiT (torch-free).

#include <cmath>
#include <cstdint>
#include <vector>

namespace d2c {

/// [rows * columns, width] in row-major token order. The four quarters of a token's vector are
/// sin(column w), cos(column w), sin(row w), cos(row w) with w_i = 10000^(-i / (width / 4)),
/// computed in float64 and rounded once (DiT reference; the column comes first). width % 4 == 0.
inline std::vector<float> position_embedding(std::int64_t rows, std::int64_t columns,
                                             std::int64_t width) {
  const std::int64_t quarter = width / 4;
  std::vector<float> table(static_cast<std::size_t>(rows * columns * width));
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t column = 0; column < columns; ++column) {
      float* token = table.data() + (row * columns + column) * width;
      for (std::int64_t i = 0; i < quarter; ++i) {
        const double omega =
            std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(quarter));
        const double across = static_cast<double>(column) * omega;
        const double down = static_cast<double>(row) * omega;
        token[i] = static_cast<float>(std::sin(across));
        token[quarter + i] = static_cast<float>(std::cos(across));
        token[2 * quarter + i] = static_cast<float>(std::sin(down));
        token[3 * quarter + i] = static_cast<float>(std::cos(down));
      }
    }
  }
  return table;
}

} // namespace d2c
