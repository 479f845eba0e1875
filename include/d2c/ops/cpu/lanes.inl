// Vectors of one instruction set: included once per target by block_kernels.hpp, inside the
// target's namespace, with D2C_CPU_LANES set to 16 (AVX-512) or 8 (AVX2 and FMA).

#if D2C_CPU_LANES == 16

using Lanes = __m512;
inline constexpr std::int64_t lanes = 16;
// 24 accumulators of 32 registers: 8 + 3 loads for 24 multiply-adds, where 12 rows of 2 vectors
// would take 14.
inline constexpr int tile_rows = 8;
inline constexpr int panel_vectors = 3;

D2C_CPU_INLINE Lanes load(const float* p) {
  return _mm512_loadu_ps(p);
}

D2C_CPU_INLINE void store(float* p, const Lanes& v) {
  _mm512_storeu_ps(p, v);
}

D2C_CPU_INLINE __mmask16 first(std::int64_t count) {
  return static_cast<__mmask16>((1u << count) - 1u);
}

/// The first `count` <= lanes elements, zeros behind them.
D2C_CPU_INLINE Lanes load_first(const float* p, std::int64_t count) {
  return _mm512_maskz_loadu_ps(first(count), p);
}

D2C_CPU_INLINE void store_first(float* p, const Lanes& v, std::int64_t count) {
  _mm512_mask_storeu_ps(p, first(count), v);
}

D2C_CPU_INLINE Lanes broadcast(float value) {
  return _mm512_set1_ps(value);
}

/// a * b + c with one rounding.
D2C_CPU_INLINE Lanes fused(const Lanes& a, const Lanes& b, const Lanes& c) {
  return _mm512_fmadd_ps(a, b, c);
}

D2C_CPU_INLINE Lanes larger(const Lanes& a, const Lanes& b) {
  return _mm512_max_ps(a, b);
}

D2C_CPU_INLINE Lanes smaller(const Lanes& a, const Lanes& b) {
  return _mm512_min_ps(a, b);
}

D2C_CPU_INLINE float sum_of(const Lanes& v) {
  return _mm512_reduce_add_ps(v);
}

D2C_CPU_INLINE float largest_of(const Lanes& v) {
  return _mm512_reduce_max_ps(v);
}

/// x * 2^n for integral n in [-126, 127].
D2C_CPU_INLINE Lanes scale_by_power(const Lanes& x, const Lanes& n) {
  const auto bits =
      _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23);
  return _mm512_mul_ps(x, _mm512_castsi512_ps(bits));
}

D2C_CPU_INLINE Lanes rounded(const Lanes& x) {
  return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#else

using Lanes = __m256;
inline constexpr std::int64_t lanes = 8;
inline constexpr int tile_rows = 6; // 12 accumulators of 16 registers
inline constexpr int panel_vectors = 2;

D2C_CPU_INLINE Lanes load(const float* p) {
  return _mm256_loadu_ps(p);
}

D2C_CPU_INLINE void store(float* p, const Lanes& v) {
  _mm256_storeu_ps(p, v);
}

D2C_CPU_INLINE __m256i first(std::int64_t count) {
  const auto index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), index);
}

/// The first `count` <= lanes elements, zeros behind them.
D2C_CPU_INLINE Lanes load_first(const float* p, std::int64_t count) {
  return _mm256_maskload_ps(p, first(count));
}

D2C_CPU_INLINE void store_first(float* p, const Lanes& v, std::int64_t count) {
  _mm256_maskstore_ps(p, first(count), v);
}

D2C_CPU_INLINE Lanes broadcast(float value) {
  return _mm256_set1_ps(value);
}

/// a * b + c with one rounding.
D2C_CPU_INLINE Lanes fused(const Lanes& a, const Lanes& b, const Lanes& c) {
  return _mm256_fmadd_ps(a, b, c);
}

D2C_CPU_INLINE Lanes larger(const Lanes& a, const Lanes& b) {
  return _mm256_max_ps(a, b);
}

D2C_CPU_INLINE Lanes smaller(const Lanes& a, const Lanes& b) {
  return _mm256_min_ps(a, b);
}

D2C_CPU_INLINE float sum_of(const Lanes& v) {
  const auto four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const auto two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

D2C_CPU_INLINE float largest_of(const Lanes& v) {
  const auto four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const auto two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/// x * 2^n for integral n in [-126, 127].
D2C_CPU_INLINE Lanes scale_by_power(const Lanes& x, const Lanes& n) {
  const auto bits =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(x, _mm256_castsi256_ps(bits));
}

D2C_CPU_INLINE Lanes rounded(const Lanes& x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

#endif

/// Up to one vector of the `left` elements from p on.
D2C_CPU_INLINE Lanes load_up_to(const float* p, std::int64_t left) {
  return left >= lanes ? load(p) : load_first(p, left);
}

D2C_CPU_INLINE void store_up_to(float* p, const Lanes& v, std::int64_t left) {
  if (left >= lanes) {
    store(p, v);
  } else {
    store_first(p, v, left);
  }
}

/// e^x to about one unit in the last place for x in [-87, 88], clamped outside: x = n ln 2 + r,
/// then a polynomial in |r| <= ln 2 / 2.
D2C_CPU_INLINE Lanes exponential(const Lanes& x) {
  const auto y = smaller(larger(x, broadcast(-87.0f)), broadcast(88.0f));
  const auto n = rounded(y * broadcast(1.44269504f));
  auto r = fused(n, broadcast(-0.693359375f), y);
  r = fused(n, broadcast(2.12194440e-4f), r);
  auto p = broadcast(1.0f / 5040.0f);
  p = fused(p, r, broadcast(1.0f / 720.0f));
  p = fused(p, r, broadcast(1.0f / 120.0f));
  p = fused(p, r, broadcast(1.0f / 24.0f));
  p = fused(p, r, broadcast(1.0f / 6.0f));
  p = fused(p, r, broadcast(0.5f));
  p = fused(p, r, broadcast(1.0f));
  p = fused(p, r, broadcast(1.0f));
  return scale_by_power(p, n);
}

/// e^-u and 1 / (1 + e^-u) for u = 2 sqrt(2 / pi) (x + 0.044715 x^3): gelu_tanh(x) is x times the
/// second, whose complement is their product (1 minus it would lose digits). Beyond |u| = 80 the
/// result no longer changes in float32.
struct GeluGate {
  Lanes decay;
  Lanes gate;
};

D2C_CPU_INLINE GeluGate gelu_gate(const Lanes& x) {
  const auto inner =
      fused(x * x, broadcast(-2.0f * 0.7978845608f * 0.044715f), broadcast(-2.0f * 0.7978845608f));
  const auto u = smaller(larger(x * inner, broadcast(-80.0f)), broadcast(80.0f));
  const auto decay = exponential(u);
  return {decay, broadcast(1.0f) / (broadcast(1.0f) + decay)};
}
