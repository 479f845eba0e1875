// A block of a frozen encoder over a few images for one instruction set; see block_kernels.hpp.

/// erf(x) to 2e-7 (Abramowitz and Stegun 1964, 7.1.26).
D2C_CPU_INLINE Lanes error_function(const Lanes& x) {
  const auto zero = broadcast(0.0f);
  const auto size = larger(x, zero - x);
  const auto t = broadcast(1.0f) / fused(broadcast(0.3275911f), size, broadcast(1.0f));
  auto p = broadcast(1.061405429f);
  p = fused(p, t, broadcast(-1.453152027f));
  p = fused(p, t, broadcast(1.421413741f));
  p = fused(p, t, broadcast(-0.284496736f));
  p = fused(p, t, broadcast(0.254829592f));
  const auto far = broadcast(1.0f) - p * t * exponential(zero - size * size);
  return larger(smaller(x * broadcast(1e30f), far), zero - far); // with the sign of x
}

D2C_CPU_INLINE Lanes sigmoid(const Lanes& x) {
  return broadcast(1.0f) / (broadcast(1.0f) + exponential(broadcast(0.0f) - x));
}

D2C_CPU_INLINE Lanes activated(EncoderActivation kind, const Lanes& x) {
  switch (kind) {
  case EncoderActivation::relu:
    return larger(x, broadcast(0.0f));
  case EncoderActivation::gelu:
    return x * broadcast(0.5f) * (broadcast(1.0f) + error_function(x * broadcast(0.70710678f)));
  case EncoderActivation::gelu_tanh:
    return x * gelu_gate(x).gate;
  case EncoderActivation::silu:
    return x * sigmoid(x);
  case EncoderActivation::quick_gelu:
    break;
  }
  return x * sigmoid(x * broadcast(1.702f));
}

template <EncoderActivation Kind>
inline void activate_as(std::int64_t count, float* x, const float* factor) {
  for (std::int64_t j = 0; j < count; j += lanes) {
    const std::int64_t left = count - j;
    auto y = activated(Kind, load_up_to(x + j, left));
    if (factor != nullptr) {
      y = y * load_up_to(factor + j, left);
    }
    store_up_to(x + j, y, left);
  }
}

/// x = activated(x), times `factor` where it is not null.
inline void activate(EncoderActivation kind, std::int64_t count, float* x, const float* factor) {
  switch (kind) {
  case EncoderActivation::relu:
    return activate_as<EncoderActivation::relu>(count, x, factor);
  case EncoderActivation::gelu:
    return activate_as<EncoderActivation::gelu>(count, x, factor);
  case EncoderActivation::gelu_tanh:
    return activate_as<EncoderActivation::gelu_tanh>(count, x, factor);
  case EncoderActivation::silu:
    return activate_as<EncoderActivation::silu>(count, x, factor);
  case EncoderActivation::quick_gelu:
    return activate_as<EncoderActivation::quick_gelu>(count, x, factor);
  }
}

/// out = the norm of x; then x += `next`, the bias of the branch that begins here, if there is one.
inline void encoder_norm_row(const EncoderSizes& sizes, float* x, const float* weight,
                             const float* shift, const float* next, float* out) {
  const std::int64_t width = sizes.width;
  float average = 0.0f;
  if (sizes.centred) {
    auto sum = broadcast(0.0f);
    for (std::int64_t j = 0; j < width; j += lanes) {
      sum = sum + load_up_to(x + j, width - j);
    }
    average = sum_of(sum) / static_cast<float>(width);
  }
  const auto mean = broadcast(average);
  auto squares = broadcast(0.0f);
  std::int64_t j = 0;
  for (; j + lanes <= width; j += lanes) {
    const auto centred = load(x + j) - mean;
    squares = fused(centred, centred, squares);
  }
  float rest = 0.0f;
  for (; j < width; ++j) {
    rest += (x[j] - average) * (x[j] - average);
  }
  const float variance = (sum_of(squares) + rest) / static_cast<float>(width);
  const auto rate = broadcast(1.0f / std::sqrt(variance + sizes.epsilon));
  for (j = 0; j < width; j += lanes) {
    const std::int64_t left = width - j;
    const auto value = load_up_to(x + j, left);
    auto normal = (value - mean) * rate * load_up_to(weight + j, left);
    if (shift != nullptr) {
      normal = normal + load_up_to(shift + j, left);
    }
    store_up_to(out + j, normal, left);
    if (next != nullptr) {
      store_up_to(x + j, value + load_up_to(next + j, left), left);
    }
  }
}

/// The attention of one image by the heads [first, last): qkv [tokens, 3 inner] -> output [tokens,
/// inner]. `added.mask` is that of the image.
inline void encoder_attend(const EncoderSizes& sizes, std::int64_t tokens, std::int64_t first,
                           std::int64_t last, const float* qkv, const EncoderBias& added,
                           float* output, float* scratch) {
  const std::int64_t inner = sizes.inner();
  const std::int64_t head_width = sizes.head_width;
  const std::int64_t padded = panels_of(tokens) * panel;
  const std::int64_t stride = 3 * inner;
  const auto scale = broadcast(sizes.scale);
  float* keys = scratch;
  float* weights = keys + 2 * padded * head_width;
  for (std::int64_t head = first; head < last; ++head) {
    const float* q = qkv + head * head_width;
    const float* k = q + inner;
    const float* v = k + inner;
    pack_transposed(tokens, head_width, k, stride, keys);
    for (std::int64_t begin = 0; begin < tokens; begin += query_rows) {
      const std::int64_t rows = std::min(query_rows, tokens - begin);
      multiply(rows, tokens, head_width,
               {q + begin * stride, stride, 1, keys, panel, panel * head_width, weights, padded});
      for (std::int64_t i = 0; i < rows; ++i) {
        float* row = weights + i * padded;
        const float* bias =
            added.bias == nullptr ? nullptr : added.bias + (head * tokens + begin + i) * tokens;
        auto top = broadcast(-std::numeric_limits<float>::infinity());
        for (std::int64_t j = 0; j < tokens; j += lanes) {
          const std::int64_t left = tokens - j;
          auto logit = load_up_to(row + j, left) * scale;
          if (bias != nullptr) {
            logit = logit + load_up_to(bias + j, left);
          }
          if (added.mask != nullptr) {
            logit = logit + load_up_to(added.mask + j, left);
          }
          store_up_to(row + j, logit, left);
          if (left >= lanes) {
            top = larger(top, logit);
          }
        }
        float most = largest_of(top);
        for (std::int64_t j = tokens / lanes * lanes; j < tokens; ++j) {
          most = std::max(most, row[j]);
        }
        const auto shift = broadcast(most);
        auto sums = broadcast(0.0f);
        std::int64_t j = 0;
        for (; j + lanes <= tokens; j += lanes) {
          const auto e = exponential(load(row + j) - shift);
          sums = sums + e;
          store(row + j, e);
        }
        if (j < tokens) {
          store_first(row + j, exponential(load_first(row + j, tokens - j) - shift), tokens - j);
          sums = sums + load_first(row + j, tokens - j);
        }
        const auto inverse = broadcast(1.0f / sum_of(sums));
        for (j = 0; j < tokens; j += lanes) {
          store_up_to(row + j, load_up_to(row + j, tokens - j) * inverse, tokens - j);
        }
      }
      multiply(rows, head_width, tokens,
               {weights, padded, 1, v, stride, panel, output + begin * inner + head * head_width,
                inner});
    }
  }
}

/// Rows that one pass takes through the matrices, and hidden columns that it keeps: rows, their norm
/// and the columns stay in the second-level cache.
inline constexpr std::int64_t encoder_rows = 128;
inline constexpr std::int64_t encoder_columns = panels_of(512) * panel;

inline std::int64_t encoder_step(std::int64_t rows) {
  const std::int64_t passes = (rows + encoder_rows - 1) / encoder_rows;
  return (rows + passes - 1) / passes;
}

/// Floats of scratch for each of the three parts of a block.
inline std::int64_t encoder_scratch(const EncoderSizes& sizes, std::int64_t tokens) {
  return std::max(encoder_rows * (sizes.width + 2 * encoder_columns),
                  attention_scratch(tokens, sizes.head_width));
}

D2C_CPU_INLINE Start encoder_start(const float* bias) {
  return bias == nullptr ? Start::zero : Start::bias;
}

/// The part before the attention: x [rows, width] -> qkv [rows, 3 inner].
inline void encoder_begin(const EncoderSizes& sizes, const EncoderWeights& weights,
                          std::int64_t rows, float* x, float* qkv, float* scratch) {
  const std::int64_t width = sizes.width;
  const std::int64_t outputs = 3 * sizes.inner();
  const std::int64_t step = encoder_step(rows);
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const std::int64_t some = std::min(step, rows - begin);
    for (std::int64_t i = 0; i < some; ++i) {
      encoder_norm_row(sizes, x + (begin + i) * width, weights.norm1, weights.norm1_shift,
                       weights.projection_bias, scratch + i * width);
    }
    multiply(some, outputs, width,
             {scratch, width, 1, weights.qkv, panel, panel * width, qkv + begin * outputs, outputs,
              encoder_start(weights.qkv_bias), weights.qkv_bias});
  }
}

/// The part behind it, in place over x [rows, width].
inline void encoder_end(const EncoderSizes& sizes, const EncoderWeights& weights, std::int64_t rows,
                        const float* attended, float* x, float* scratch) {
  const std::int64_t width = sizes.width;
  const std::int64_t inner = sizes.inner();
  const std::int64_t step = encoder_step(rows);
  float* normal = scratch;
  float* hidden = normal + step * width;
  float* gates = hidden + step * encoder_columns;
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const std::int64_t count = std::min(step, rows - begin);
    float* some = x + begin * width;
    multiply(count, width, inner,
             {attended + begin * inner, inner, 1, weights.projection, panel, panel * inner, some,
              width, Start::accumulate});
    for (std::int64_t i = 0; i < count; ++i) {
      encoder_norm_row(sizes, some + i * width, weights.norm2, weights.norm2_shift,
                       weights.second_bias, normal + i * width);
    }
    for (std::int64_t column = 0; column < sizes.hidden; column += encoder_columns) {
      const std::int64_t columns = std::min(encoder_columns, sizes.hidden - column);
      const auto expand = [&](const float* matrix, const float* bias, float* out) {
        multiply(count, columns, width,
                 {normal, width, 1, matrix + column * width, panel, panel * width, out, columns,
                  encoder_start(bias), bias == nullptr ? nullptr : bias + column});
      };
      expand(weights.first, weights.first_bias, hidden);
      if (sizes.gated) {
        expand(weights.gate, weights.gate_bias, gates);
      }
      activate(sizes.activation, count * columns, hidden, sizes.gated ? gates : nullptr);
      multiply(count, width, columns,
               {hidden, columns, 1, weights.second + column * panel, panel, panel * sizes.hidden,
                some, width, Start::accumulate});
    }
  }
}
