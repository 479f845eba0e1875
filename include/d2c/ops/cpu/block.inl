// One transformer block over a few images for one instruction set; see block_kernels.hpp.

/// LN(x) * (1 + scale) + shift of one row; writes its mean and reciprocal deviation.
D2C_CPU_INLINE void layer_norm_row(std::int64_t width, const float* x, const float* shift,
                                   const float* scale, float* out, float& mean, float& rstd) {
  auto sum = broadcast(0.0f);
  for (std::int64_t j = 0; j < width; j += lanes) {
    sum = sum + load_up_to(x + j, width - j);
  }
  const float average = sum_of(sum) / static_cast<float>(width);
  auto squares = broadcast(0.0f);
  std::int64_t j = 0;
  for (; j + lanes <= width; j += lanes) {
    const auto centred = load(x + j) - broadcast(average);
    squares = fused(centred, centred, squares);
  }
  float rest = 0.0f;
  for (; j < width; ++j) {
    rest += (x[j] - average) * (x[j] - average);
  }
  const float variance = (sum_of(squares) + rest) / static_cast<float>(width);
  mean = average;
  rstd = 1.0f / std::sqrt(variance + layer_norm_epsilon_float);
  for (j = 0; j < width; j += lanes) {
    const std::int64_t left = width - j;
    const auto normal = (load_up_to(x + j, left) - broadcast(mean)) * broadcast(rstd);
    const auto factor = load_up_to(scale + j, left) + broadcast(1.0f);
    store_up_to(out + j, fused(normal, factor, load_up_to(shift + j, left)), left);
  }
}

/// The modulated row again, from the mean and reciprocal deviation of the forward pass.
D2C_CPU_INLINE void modulated_row(std::int64_t width, const float* x, const float* shift,
                                  const float* scale, float mean, float rstd, float* out) {
  for (std::int64_t j = 0; j < width; j += lanes) {
    const std::int64_t left = width - j;
    const auto normal = (load_up_to(x + j, left) - broadcast(mean)) * broadcast(rstd);
    const auto factor = load_up_to(scale + j, left) + broadcast(1.0f);
    store_up_to(out + j, fused(normal, factor, load_up_to(shift + j, left)), left);
  }
}

/// Backward of layer_norm_row: dx += its gradient; dshift and dscale are added to.
D2C_CPU_INLINE void layer_norm_row_backward(std::int64_t width, const float* dout, const float* x,
                                            const float* scale, float mean, float rstd, float* dx,
                                            float* dshift, float* dscale) {
  auto sum = broadcast(0.0f);
  auto projection = broadcast(0.0f);
  for (std::int64_t j = 0; j < width; j += lanes) {
    const std::int64_t left = width - j;
    const auto dy = load_up_to(dout + j, left);
    const auto normal = (load_up_to(x + j, left) - broadcast(mean)) * broadcast(rstd);
    const auto dnormal = fused(dy, load_up_to(scale + j, left), dy);
    store_up_to(dshift + j, load_up_to(dshift + j, left) + dy, left);
    store_up_to(dscale + j, fused(dy, normal, load_up_to(dscale + j, left)), left);
    sum = sum + dnormal; // dy is zero beyond the row, so dnormal is too
    projection = fused(dnormal, normal, projection);
  }
  const auto average = broadcast(sum_of(sum) / static_cast<float>(width));
  const auto slope = broadcast(sum_of(projection) / static_cast<float>(width));
  for (std::int64_t j = 0; j < width; j += lanes) {
    const std::int64_t left = width - j;
    const auto dy = load_up_to(dout + j, left);
    const auto normal = (load_up_to(x + j, left) - broadcast(mean)) * broadcast(rstd);
    const auto dnormal = fused(dy, load_up_to(scale + j, left), dy);
    const auto gradient = (dnormal - average - normal * slope) * broadcast(rstd);
    store_up_to(dx + j, load_up_to(dx + j, left) + gradient, left);
  }
}

/// out = x + gate * branch, one row.
D2C_CPU_INLINE void gate_residual_row(std::int64_t width, const float* x, const float* gate,
                                      const float* branch, float* out) {
  for (std::int64_t j = 0; j < width; j += lanes) {
    const std::int64_t left = width - j;
    store_up_to(
        out + j,
        fused(load_up_to(gate + j, left), load_up_to(branch + j, left), load_up_to(x + j, left)),
        left);
  }
}

/// dbranch = dy * gate and dgate += dy * branch, one row.
D2C_CPU_INLINE void gate_residual_row_backward(std::int64_t width, const float* dy,
                                               const float* gate, const float* branch,
                                               float* dbranch, float* dgate) {
  for (std::int64_t j = 0; j < width; j += lanes) {
    const std::int64_t left = width - j;
    const auto d = load_up_to(dy + j, left);
    store_up_to(dbranch + j, d * load_up_to(gate + j, left), left);
    store_up_to(dgate + j, fused(d, load_up_to(branch + j, left), load_up_to(dgate + j, left)),
                left);
  }
}

/// y = gelu_tanh(x), `count` elements.
inline void gelu_forward(std::int64_t count, const float* x, float* y) {
  for (std::int64_t j = 0; j < count; j += lanes) {
    const auto v = load_up_to(x + j, count - j);
    store_up_to(y + j, v * gelu_gate(v).gate, count - j);
  }
}

/// y = gelu_tanh(x) and dx = dy * its derivative, in place over dy.
inline void gelu_backward(std::int64_t count, const float* x, float* y, float* dy) {
  for (std::int64_t j = 0; j < count; j += lanes) {
    const std::int64_t left = count - j;
    const auto v = load_up_to(x + j, left);
    const auto [decay, gate] = gelu_gate(v);
    const auto inner =
        fused(v * v, broadcast(6.0f * 0.7978845608f * 0.044715f), broadcast(2.0f * 0.7978845608f));
    const auto slope = fused(v * inner * gate, decay * gate, gate);
    store_up_to(y + j, v * gate, left);
    store_up_to(dy + j, load_up_to(dy + j, left) * slope, left);
  }
}

/// y = x sigmoid(x), `count` elements.
inline void silu_forward(std::int64_t count, const float* x, float* y) {
  for (std::int64_t j = 0; j < count; j += lanes) {
    const auto v = load_up_to(x + j, count - j);
    const auto decay = exponential(broadcast(0.0f) - v);
    store_up_to(y + j, v / (broadcast(1.0f) + decay), count - j);
  }
}

/// y = x sigmoid(x) and dx = dy * its derivative, in place over dy.
inline void silu_backward(std::int64_t count, const float* x, float* y, float* dy) {
  for (std::int64_t j = 0; j < count; j += lanes) {
    const std::int64_t left = count - j;
    const auto v = load_up_to(x + j, left);
    const auto decay = exponential(broadcast(0.0f) - v);
    const auto gate = broadcast(1.0f) / (broadcast(1.0f) + decay);
    const auto slope = fused(v * gate, decay * gate, gate);
    store_up_to(y + j, v * gate, left);
    store_up_to(dy + j, load_up_to(dy + j, left) * slope, left);
  }
}

/// Rows that one pass takes through the MLP: its hidden rows should stay in the second-level cache.
/// Where the matrices do not fit there either, more rows share one reading of them.
inline std::int64_t rows_per_pass(const BlockSizes& sizes, std::int64_t rows) {
  const std::int64_t fitting =
      sizes.hidden > 2 * deepest ? 128
                                 : std::max<std::int64_t>(4 * tile_rows, 98304 / sizes.hidden);
  const std::int64_t passes = (rows + fitting - 1) / fitting;
  return (rows + passes - 1) / passes;
}

inline std::int64_t forward_scratch(const BlockSizes& sizes, std::int64_t images) {
  const std::int64_t rows = rows_per_pass(sizes, images * sizes.tokens);
  return rows * (2 * sizes.width + sizes.hidden) +
         attention_scratch(sizes.tokens, sizes.width / sizes.heads);
}

inline std::int64_t backward_scratch(const BlockSizes& sizes, std::int64_t images) {
  const std::int64_t all = images * sizes.tokens;
  const std::int64_t rows = rows_per_pass(sizes, all);
  return rows * (4 * sizes.width + 2 * sizes.hidden) + 4 * all * sizes.width +
         attention_scratch(sizes.tokens, sizes.width / sizes.heads);
}

/// Number of panels of one packed matrix [out, in]: forward and backward cut different sides.
inline std::int64_t packed_panels(std::int64_t out, std::int64_t in, bool backward) {
  return panels_of(backward ? in : out);
}

/// Floats of one packed matrix.
inline std::int64_t packed_size(std::int64_t out, std::int64_t in, bool backward) {
  return packed_panels(out, in, backward) * panel * (backward ? out : in);
}

/// Packs one panel of a matrix [out, in] for the forward or the backward pass.
inline void pack_panel(std::int64_t out, std::int64_t in, const float* matrix, bool backward,
                       std::int64_t index, float* packed) {
  if (backward) {
    pack_rows(out, std::min(panel, in - index * panel), matrix + index * panel, in,
              packed + index * panel * out);
  } else {
    pack_transposed(std::min(panel, out - index * panel), in, matrix + index * panel * in, in,
                    packed + index * panel * in);
  }
}

/// One block for `images` images: x -> out (may be the same memory).
inline void block_forward(const BlockSizes& sizes, const BlockPacked& packed,
                          const BlockBiases& biases, std::int64_t images, const float* x,
                          const float* modulation, std::int64_t modulation_stride,
                          const BlockActivations& saved, float* out, float* scratch) {
  const std::int64_t width = sizes.width;
  const std::int64_t all = images * sizes.tokens;
  const std::int64_t step = rows_per_pass(sizes, all);
  float* normal = scratch;
  float* middle = normal + step * width;
  float* activated = middle + step * width;
  float* attention = activated + step * sizes.hidden;
  const auto modulation_of = [&](std::int64_t row) {
    return modulation + row / sizes.tokens * modulation_stride;
  };

  for (std::int64_t begin = 0; begin < all; begin += step) {
    const std::int64_t rows = std::min(step, all - begin);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t row = begin + i;
      const float* m = modulation_of(row);
      layer_norm_row(width, x + row * width, m, m + width, normal + i * width, saved.mean1[row],
                     saved.rstd1[row]);
    }
    affine(rows, width, 3 * width, normal, packed.qkv, biases.qkv, saved.qkv + begin * 3 * width);
  }
  for (std::int64_t image = 0; image < images; ++image) {
    const std::int64_t row = image * sizes.tokens;
    attention_forward(sizes.tokens, width, sizes.heads, saved.qkv + row * 3 * width,
                      saved.attended + row * width,
                      saved.log_sum_exp + image * sizes.heads * sizes.tokens, attention);
  }
  for (std::int64_t begin = 0; begin < all; begin += step) {
    const std::int64_t rows = std::min(step, all - begin);
    const std::int64_t kept = saved.kept ? begin : 0;
    float* attention_branch = saved.attention_branch + kept * width;
    float* mlp_branch = saved.mlp_branch + kept * width;
    float* hidden = saved.hidden + kept * sizes.hidden;
    affine(rows, width, width, saved.attended + begin * width, packed.projection, biases.projection,
           attention_branch);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t row = begin + i;
      const float* m = modulation_of(row);
      gate_residual_row(width, x + row * width, m + 2 * width, attention_branch + i * width,
                        middle + i * width);
      layer_norm_row(width, middle + i * width, m + 3 * width, m + 4 * width, normal + i * width,
                     saved.mean2[row], saved.rstd2[row]);
    }
    affine(rows, width, sizes.hidden, normal, packed.expand, biases.expand, hidden);
    gelu_forward(rows * sizes.hidden, hidden, activated);
    affine(rows, sizes.hidden, width, activated, packed.contract, biases.contract, mlp_branch);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t row = begin + i;
      gate_residual_row(width, middle + i * width, modulation_of(row) + 5 * width,
                        mlp_branch + i * width, out + row * width);
    }
  }
}

/// The backward pass of block_forward: writes dx and dmodulation (row distance 6 width), and adds
/// to the parameter gradients, or leaves `operands` for weight_gradient if it has them.
inline void block_backward(const BlockSizes& sizes, const BlockPacked& packed, std::int64_t images,
                           const float* x, const float* modulation, std::int64_t modulation_stride,
                           const BlockActivations& saved, const float* dout, float* dx,
                           float* dmodulation, const BlockGradients& gradients,
                           const BlockOperands& operands, float* scratch) {
  const std::int64_t width = sizes.width;
  const std::int64_t hidden = sizes.hidden;
  const bool later = operands.dqkv != nullptr;
  const std::int64_t all = images * sizes.tokens;
  const std::int64_t step = rows_per_pass(sizes, all);
  float* normal = scratch;
  float* middle = normal + step * width;
  float* dbranch = middle + step * width;
  float* dnormal = dbranch + step * width;
  float* activated = dnormal + step * width;
  float* dhidden = activated + step * hidden;
  float* dattended = dhidden + step * hidden;
  float* dqkv = later ? operands.dqkv : dattended + all * width;
  float* attention = dattended + 4 * all * width;
  const auto modulation_of = [&](std::int64_t row) {
    return modulation + row / sizes.tokens * modulation_stride;
  };
  const auto dmodulation_of = [&](std::int64_t row) {
    return dmodulation + row / sizes.tokens * 6 * width;
  };
  std::memset(dmodulation, 0, sizeof(float) * static_cast<std::size_t>(images * 6 * width));

  for (std::int64_t begin = 0; begin < all; begin += step) {
    const std::int64_t rows = std::min(step, all - begin);
    if (later) {
      normal = operands.normal2 + begin * width;
      activated = operands.activated + begin * hidden;
      dbranch = operands.dmlp + begin * width;
      dhidden = operands.dhidden + begin * hidden;
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t row = begin + i;
      const float* m = modulation_of(row);
      gate_residual_row(width, x + row * width, m + 2 * width, saved.attention_branch + row * width,
                        middle + i * width);
      modulated_row(width, middle + i * width, m + 3 * width, m + 4 * width, saved.mean2[row],
                    saved.rstd2[row], normal + i * width);
      gate_residual_row_backward(width, dout + row * width, m + 5 * width,
                                 saved.mlp_branch + row * width, dbranch + i * width,
                                 dmodulation_of(row) + 5 * width);
    }
    affine_backward(rows, hidden, width, dbranch, packed.contract, dhidden);
    gelu_backward(rows * hidden, saved.hidden + begin * hidden, activated, dhidden);
    if (later) {
      dbranch = operands.dattention + begin * width;
    } else {
      affine_backward_weight(rows, hidden, width, activated, dbranch, gradients.contract);
      add_column_sums(rows, width, dbranch, gradients.contract_bias);
      affine_backward_weight(rows, width, hidden, normal, dhidden, gradients.expand);
      add_column_sums(rows, hidden, dhidden, gradients.expand_bias);
    }
    affine_backward(rows, width, hidden, dhidden, packed.expand, dnormal);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t row = begin + i;
      const float* m = modulation_of(row);
      float* dm = dmodulation_of(row);
      std::memcpy(dx + row * width, dout + row * width,
                  sizeof(float) * static_cast<std::size_t>(width));
      layer_norm_row_backward(width, dnormal + i * width, middle + i * width, m + 4 * width,
                              saved.mean2[row], saved.rstd2[row], dx + row * width, dm + 3 * width,
                              dm + 4 * width);
      gate_residual_row_backward(width, dx + row * width, m + 2 * width,
                                 saved.attention_branch + row * width, dbranch + i * width,
                                 dm + 2 * width);
    }
    if (!later) {
      affine_backward_weight(rows, width, width, saved.attended + begin * width, dbranch,
                             gradients.projection);
      add_column_sums(rows, width, dbranch, gradients.projection_bias);
    }
    affine_backward(rows, width, width, dbranch, packed.projection, dattended + begin * width);
  }
  for (std::int64_t image = 0; image < images; ++image) {
    const std::int64_t row = image * sizes.tokens;
    attention_backward(sizes.tokens, width, sizes.heads, saved.qkv + row * 3 * width,
                       saved.attended + row * width,
                       saved.log_sum_exp + image * sizes.heads * sizes.tokens,
                       dattended + row * width, dqkv + row * 3 * width, attention);
  }
  for (std::int64_t begin = 0; begin < all; begin += step) {
    const std::int64_t rows = std::min(step, all - begin);
    if (later) {
      normal = operands.normal1 + begin * width;
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t row = begin + i;
      const float* m = modulation_of(row);
      modulated_row(width, x + row * width, m, m + width, saved.mean1[row], saved.rstd1[row],
                    normal + i * width);
    }
    const float* d = dqkv + begin * 3 * width;
    if (!later) {
      affine_backward_weight(rows, width, 3 * width, normal, d, gradients.qkv);
      add_column_sums(rows, 3 * width, d, gradients.qkv_bias);
    }
    affine_backward(rows, width, 3 * width, d, packed.qkv, dnormal);
    for (std::int64_t i = 0; i < rows; ++i) {
      const std::int64_t row = begin + i;
      const float* m = modulation_of(row);
      float* dm = dmodulation_of(row);
      layer_norm_row_backward(width, dnormal + i * width, x + row * width, m + width,
                              saved.mean1[row], saved.rstd1[row], dx + row * width, dm, dm + width);
    }
  }
}
