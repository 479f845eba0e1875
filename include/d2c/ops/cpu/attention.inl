// Self-attention of one image for one instruction set; see block_kernels.hpp.

/// Rows of queries that share one block of logits.
inline constexpr std::int64_t query_rows = 4 * tile_rows;

/// Floats of scratch that one head needs, forward and backward.
inline std::int64_t attention_scratch(std::int64_t tokens, std::int64_t head_width) {
  const std::int64_t padded = panels_of(tokens) * panel;
  return 2 * padded * head_width + 2 * query_rows * padded + query_rows;
}

/// One image: qkv [tokens, 3 width] -> output [tokens, width], log_sum_exp [heads, tokens].
inline void attention_forward(std::int64_t tokens, std::int64_t width, std::int64_t heads,
                              const float* qkv, float* output, float* log_sum_exp, float* scratch) {
  const std::int64_t head_width = width / heads;
  const std::int64_t padded = panels_of(tokens) * panel;
  const std::int64_t stride = 3 * width;
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_width));
  float* keys = scratch;
  float* weights = keys + 2 * padded * head_width;
  for (std::int64_t head = 0; head < heads; ++head) {
    const float* q = qkv + head * head_width;
    const float* k = q + width;
    const float* v = k + width;
    pack_transposed(tokens, head_width, k, stride, keys);
    for (std::int64_t begin = 0; begin < tokens; begin += query_rows) {
      const std::int64_t rows = std::min(query_rows, tokens - begin);
      multiply(rows, tokens, head_width,
               {q + begin * stride, stride, 1, keys, panel, panel * head_width, weights, padded});
      for (std::int64_t i = 0; i < rows; ++i) {
        float* row = weights + i * padded;
        auto top = broadcast(-std::numeric_limits<float>::infinity());
        std::int64_t j = 0;
        for (; j + lanes <= tokens; j += lanes) {
          top = larger(top, load(row + j));
        }
        float most = largest_of(top);
        for (; j < tokens; ++j) {
          most = std::max(most, row[j]);
        }
        const auto shift = broadcast(-most * scale);
        auto sums = broadcast(0.0f);
        for (j = 0; j + lanes <= tokens; j += lanes) {
          const auto e = exponential(fused(load(row + j), broadcast(scale), shift));
          sums = sums + e;
          store(row + j, e);
        }
        if (j < tokens) {
          const auto e =
              exponential(fused(load_first(row + j, tokens - j), broadcast(scale), shift));
          store_first(row + j, e, tokens - j);
          sums = sums + load_first(row + j, tokens - j);
        }
        const float sum = sum_of(sums);
        const auto inverse = broadcast(1.0f / sum);
        for (j = 0; j < tokens; j += lanes) {
          store_up_to(row + j, load_up_to(row + j, tokens - j) * inverse, tokens - j);
        }
        log_sum_exp[head * tokens + begin + i] = most * scale + std::log(sum);
      }
      multiply(rows, head_width, tokens,
               {weights, padded, 1, v, stride, panel, output + begin * width + head * head_width,
                width});
    }
  }
}

/// One image: the gradient of qkv [tokens, 3 width] from that of the output [tokens, width].
inline void attention_backward(std::int64_t tokens, std::int64_t width, std::int64_t heads,
                               const float* qkv, const float* output, const float* log_sum_exp,
                               const float* doutput, float* dqkv, float* scratch) {
  const std::int64_t head_width = width / heads;
  const std::int64_t padded = panels_of(tokens) * panel;
  const std::int64_t stride = 3 * width;
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_width));
  float* keys = scratch;
  float* values = keys + padded * head_width;
  float* weights = values + padded * head_width;
  float* dweights = weights + query_rows * padded;
  float* dots = dweights + query_rows * padded;
  for (std::int64_t head = 0; head < heads; ++head) {
    const float* q = qkv + head * head_width;
    const float* k = q + width;
    const float* v = k + width;
    const float* out = output + head * head_width;
    const float* dout = doutput + head * head_width;
    float* dq = dqkv + head * head_width;
    float* dk = dq + width;
    float* dv = dk + width;
    pack_transposed(tokens, head_width, k, stride, keys);
    pack_transposed(tokens, head_width, v, stride, values);
    for (std::int64_t begin = 0; begin < tokens; begin += query_rows) {
      const std::int64_t rows = std::min(query_rows, tokens - begin);
      const auto start = begin == 0 ? Start::zero : Start::accumulate;
      multiply(rows, tokens, head_width,
               {q + begin * stride, stride, 1, keys, panel, panel * head_width, weights, padded});
      multiply(
          rows, tokens, head_width,
          {dout + begin * width, width, 1, values, panel, panel * head_width, dweights, padded});
      for (std::int64_t i = 0; i < rows; ++i) {
        const float* out_row = out + (begin + i) * width;
        const float* dout_row = dout + (begin + i) * width;
        auto dot = broadcast(0.0f);
        for (std::int64_t j = 0; j < head_width; j += lanes) {
          dot = fused(load_up_to(out_row + j, head_width - j),
                      load_up_to(dout_row + j, head_width - j), dot);
        }
        dots[i] = sum_of(dot);
      }
      for (std::int64_t i = 0; i < rows; ++i) {
        float* row = weights + i * padded;
        float* drow = dweights + i * padded;
        const auto shift = broadcast(-log_sum_exp[head * tokens + begin + i]);
        const auto dot = broadcast(dots[i]);
        for (std::int64_t j = 0; j < tokens; j += lanes) {
          const std::int64_t left = tokens - j;
          const auto weight =
              exponential(fused(load_up_to(row + j, left), broadcast(scale), shift));
          const auto gradient = weight * (load_up_to(drow + j, left) - dot) * broadcast(scale);
          store_up_to(row + j, weight, left);
          store_up_to(drow + j, gradient, left);
        }
      }
      multiply(tokens, head_width, rows,
               {weights, 1, padded, dout + begin * width, width, panel, dv, stride, start});
      multiply(tokens, head_width, rows,
               {dweights, 1, padded, q + begin * stride, stride, panel, dk, stride, start});
      multiply(rows, head_width, tokens,
               {dweights, padded, 1, k, stride, panel, dq + begin * stride, stride});
    }
  }
}
