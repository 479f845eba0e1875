// Small matrix products and packing for one instruction set; see block_kernels.hpp.

/// Columns of one register tile.
inline constexpr std::int64_t panel = panel_vectors * lanes;

D2C_CPU_INLINE constexpr std::int64_t panels_of(std::int64_t columns) {
  return (columns + panel - 1) / panel;
}

/// Where a product starts from: zero, a bias row, or what the result holds already.
enum class Start { zero, bias, accumulate };

/// A(i, k) = a[i * a_row + k * a_depth]; B(k, j) = b[panel of j * b_panel + k * b_depth + j %
/// panel].
struct Product {
  const float* a;
  std::int64_t a_row;
  std::int64_t a_depth;
  const float* b;
  std::int64_t b_depth;
  std::int64_t b_panel;
  float* c;
  std::int64_t c_row;
  Start start = Start::zero;
  const float* bias = nullptr;
};

/// One tile of Rows x Vectors in registers; with Partial only `last` elements of the last vector
/// exist. `ahead` is the distance from b to what the second-level cache should hold for later tiles.
template <int Rows, int Vectors, bool Partial>
D2C_CPU_INLINE void tile(std::int64_t depth, const Product& product, const float* a, const float* b,
                         float* c, const float* bias, std::int64_t last, std::int64_t ahead) {
  const auto load_at = [&](const float* p, int v) {
    return Partial && v + 1 == Vectors ? load_first(p + v * lanes, last) : load(p + v * lanes);
  };
  Lanes sums[Rows][Vectors];
  const std::int64_t a_row = product.a_row;
  const std::int64_t c_row = product.c_row;
  for (int v = 0; v < Vectors; ++v) {
    const Lanes start = product.start == Start::bias ? load_at(bias, v) : broadcast(0.0f);
    for (int i = 0; i < Rows; ++i) {
      sums[i][v] = product.start == Start::accumulate ? load_at(c + i * c_row, v) : start;
    }
  }
  // Intel's Xeon asks too late by itself: for the result, for the panel that comes from the
  // second-level cache, and for the next one, which comes from memory.
  for (int i = 0; i < Rows; ++i) {
    for (int v = 0; v < Vectors; ++v) {
      __builtin_prefetch(c + i * c_row + v * lanes, 1);
    }
  }
  const std::int64_t soon = 8 * product.b_depth;
  for (std::int64_t k = 0; k < depth; ++k) {
    Lanes columns[Vectors];
    for (int v = 0; v < Vectors; ++v) {
      columns[v] = load_at(b, v);
      __builtin_prefetch(b + soon + v * lanes);
    }
    __builtin_prefetch(b + ahead, 0, 2);
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const Lanes value = broadcast(a[i * a_row]);
#pragma GCC unroll 3
      for (int v = 0; v < Vectors; ++v) {
        sums[i][v] = fused(value, columns[v], sums[i][v]);
      }
    }
    a += product.a_depth;
    b += product.b_depth;
  }
  for (int i = 0; i < Rows; ++i) {
    for (int v = 0; v < Vectors; ++v) {
      float* const out = c + i * c_row + v * lanes;
      if (Partial && v + 1 == Vectors) {
        store_first(out, sums[i][v], last);
      } else {
        store(out, sums[i][v]);
      }
    }
  }
}

template <int Vectors, bool Partial, int Rows = tile_rows>
inline void tile_of(std::int64_t rows, std::int64_t depth, const Product& product, const float* a,
                    const float* b, float* c, const float* bias, std::int64_t last,
                    std::int64_t ahead) {
  if (rows == Rows) {
    tile<Rows, Vectors, Partial>(depth, product, a, b, c, bias, last, ahead);
  } else if constexpr (Rows > 1) {
    tile_of<Vectors, Partial, Rows - 1>(rows, depth, product, a, b, c, bias, last, ahead);
  }
}

/// A tile of the last panel, of which `left` < panel columns exist.
template <int Vectors = panel_vectors>
inline void last_tile_of(std::int64_t rows, std::int64_t depth, const Product& product,
                         const float* a, const float* b, float* c, const float* bias,
                         std::int64_t left, std::int64_t ahead) {
  if constexpr (Vectors > 1) {
    if (left <= (Vectors - 1) * lanes) {
      return last_tile_of<Vectors - 1>(rows, depth, product, a, b, c, bias, left, ahead);
    }
  }
  tile_of<Vectors, true>(rows, depth, product, a, b, c, bias, left - (Vectors - 1) * lanes, ahead);
}

/// Depth of a product at which the rows of one pass no longer stay in the second-level cache.
inline constexpr std::int64_t deepest = 1024;

/// C (+)= A B, [rows, columns] over `depth`. Every element is one chain of fused multiply-adds in
/// the order of k, whatever the tiling: results do not depend on how rows are grouped.
inline void multiply(std::int64_t rows, std::int64_t columns, std::int64_t depth,
                     const Product& product) {
  if (depth > deepest) {
    const std::int64_t pieces = (depth + deepest / 2 - 1) / (deepest / 2);
    const std::int64_t piece = (depth + pieces - 1) / pieces;
    Product part = product;
    for (std::int64_t k = 0; k < depth; k += piece) {
      multiply(rows, columns, std::min(piece, depth - k), part);
      part.a += piece * product.a_depth;
      part.b += piece * product.b_depth;
      part.start = Start::accumulate;
    }
    return;
  }
  const std::int64_t tiles = (rows + tile_rows - 1) / tile_rows;
  if (tiles == 0) {
    return;
  }
  const std::int64_t base = rows / tiles;
  const std::int64_t longer = rows % tiles;
  for (std::int64_t p = 0; p * panel < columns; ++p) {
    const float* b = product.b + p * product.b_panel;
    const float* bias = product.start == Start::bias ? product.bias + p * panel : nullptr;
    const std::int64_t left = columns - p * panel;
    std::int64_t row = 0;
    for (std::int64_t t = 0; t < tiles; ++t) {
      const std::int64_t height = base + (t < longer ? 1 : 0);
      const float* a = product.a + row * product.a_row;
      float* c = product.c + row * product.c_row + p * panel;
      const std::int64_t ahead = product.b_panel + t % panel_vectors * lanes; // of the next panel
      if (left >= panel) {
        tile_of<panel_vectors, false>(height, depth, product, a, b, c, bias, lanes, ahead);
      } else {
        last_tile_of(height, depth, product, a, b, c, bias, left, ahead);
      }
      row += height;
    }
  }
}

/// y [rows, out] = x [rows, in] W^T + bias with W packed by pack_transposed.
inline void affine(std::int64_t rows, std::int64_t in, std::int64_t out, const float* x,
                           const float* packed, const float* bias, float* y) {
  multiply(rows, out, in, {x, in, 1, packed, panel, panel * in, y, out, Start::bias, bias});
}

/// dx [rows, in] = dy [rows, out] W with W packed by pack_rows.
inline void affine_backward(std::int64_t rows, std::int64_t in, std::int64_t out,
                                    const float* dy, const float* packed, float* dx) {
  multiply(rows, in, out, {dy, out, 1, packed, panel, panel * out, dx, in});
}

/// dw [out, in] += dy^T x over the rows.
D2C_CPU_INLINE void affine_backward_weight(std::int64_t rows, std::int64_t in, std::int64_t out,
                                           const float* x, const float* dy, float* dw) {
  multiply(out, in, rows, {dy, 1, out, x, in, panel, dw, in, Start::accumulate});
}

/// sums[j] += the sum over the rows of x [rows, columns].
inline void add_column_sums(std::int64_t rows, std::int64_t columns, const float* x, float* sums) {
  for (std::int64_t j = 0; j < columns; j += lanes) {
    auto sum = load_up_to(sums + j, columns - j);
    for (std::int64_t i = 0; i < rows; ++i) {
      sum = sum + load_up_to(x + i * columns + j, columns - j);
    }
    store_up_to(sums + j, sum, columns - j);
  }
}

/// Panels over the rows of `x` [rows, columns] (row distance `stride`): packed[p][k][j] is
/// x[p * panel + j][k], zero beyond the last row.
inline void pack_transposed(std::int64_t rows, std::int64_t columns, const float* x,
                            std::int64_t stride, float* packed) {
  for (std::int64_t p = 0; p * panel < rows; ++p) {
    float* out = packed + p * panel * columns;
    const std::int64_t count = std::min(panel, rows - p * panel);
    for (std::int64_t j = 0; j < panel; ++j) {
      if (j < count) {
        const float* row = x + (p * panel + j) * stride;
        for (std::int64_t k = 0; k < columns; ++k) {
          out[k * panel + j] = row[k];
        }
      } else {
        for (std::int64_t k = 0; k < columns; ++k) {
          out[k * panel + j] = 0.0f;
        }
      }
    }
  }
}

/// Panels over the columns of `x` [rows, columns] (row distance `stride`): packed[p][k][j] is
/// x[k][p * panel + j], zero beyond the last column.
inline void pack_rows(std::int64_t rows, std::int64_t columns, const float* x, std::int64_t stride,
                      float* packed) {
  for (std::int64_t p = 0; p * panel < columns; ++p) {
    float* out = packed + p * panel * rows;
    const std::int64_t left = columns - p * panel;
    for (std::int64_t k = 0; k < rows; ++k) {
      const float* row = x + k * stride + p * panel;
      for (std::int64_t v = 0; v < panel; v += lanes) {
        store(out + k * panel + v, left > v ? load_up_to(row + v, left - v) : broadcast(0.0f));
      }
    }
  }
}

/// Columns of x that weight_gradient takes at a time, and rows: their panels fill half of the
/// second-level cache.
inline constexpr std::int64_t gradient_columns = 4 * panel;
inline constexpr std::int64_t gradient_depth = 512;

/// Floats of scratch that weight_gradient needs.
inline std::int64_t weight_gradient_scratch() {
  return gradient_depth * (gradient_columns + tile_rows) + lanes;
}

/// dw[o][i] += the sum over all rows of dy[row][o] x[row][i] for outputs [first, last) and the
/// columns i of group `group`; dy is [rows, out], x [rows, in], dw [out, in]. The first group adds
/// to the bias db as well.
inline void weight_gradient(std::int64_t rows, std::int64_t out, std::int64_t in, const float* dy,
                            const float* x, float* dw, float* db, std::int64_t first,
                            std::int64_t last, std::int64_t group, float* scratch) {
  float* packed = scratch;
  float* strip = packed + gradient_depth * gradient_columns;
  const std::int64_t begin = group * gradient_columns;
  const std::int64_t columns = std::min(gradient_columns, in - begin);
  for (std::int64_t row = 0; row < rows; row += gradient_depth) {
    const std::int64_t depth = std::min(gradient_depth, rows - row);
    pack_rows(depth, columns, x + row * in + begin, in, packed);
    for (std::int64_t o = first; o < last; o += tile_rows) {
      const std::int64_t height = std::min<std::int64_t>(tile_rows, last - o);
      auto sum = broadcast(0.0f);
      for (std::int64_t k = 0; k < depth; ++k) {
        const auto values = load_up_to(dy + (row + k) * out + o, height);
        store(strip + k * tile_rows, values);
        sum = sum + values;
      }
      if (group == 0) {
        store_up_to(db + o, load_up_to(db + o, height) + sum, height);
      }
      multiply(height, columns, depth,
               {strip, 1, tile_rows, packed, panel, panel * depth, dw + o * in + begin, in,
                Start::accumulate});
    }
  }
}
