#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "cpu/tiles.h"

#if defined(__SSE__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// What forward and backward of attention share: small matrix products on tiles that stay in the first-level
// cache. Scores are stored transposed, [key][query]: a vector holds neighbouring queries, so softmax needs
// no sums across lanes.
namespace qlora::QLORA_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16, kBlockRows = 8;
#elif defined(__AVX2__)
constexpr int kLanes = 8, kBlockRows = 6;
#else
constexpr int kLanes = 4, kBlockRows = 6;
#endif

/** Columns of scores computed at a time: two vectors. */
constexpr int64_t kStrip = 2 * kLanes;
constexpr double kLog2e = 1.4426950408889634;

typedef float Lanes __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntLanes __attribute__((vector_size(kLanes * 4)));

inline Lanes load(const float* p) {
  Lanes x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

inline void store(float* p, Lanes x) { std::memcpy(p, &x, sizeof x); }

inline Lanes spread(float x) { return x - Lanes{}; }

/** a * b + c, rounded once if the instruction set has a fused operation (the build turns contraction off). */
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f32(c, a, b);
#else
  return a * b + c;
#endif
}

inline Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }

/** 2^x, relative error below 2e-7: 0 below -126, NaN for NaN; x at most 127. */
inline Lanes exp2_lanes(Lanes x) {
  const Lanes round = spread(12582912.0f);  // 1.5 * 2^23: adding it leaves the
                                            // nearest integer in the low bits
  const Lanes smallest = spread(-126.0f);
  IntLanes vanishes = x < smallest;
  x = vanishes ? smallest : x;
  Lanes shifted = x + round;
  Lanes r = x - (shifted - round);
  Lanes p = spread(1.5353362e-4f);
  p = multiply_add(p, r, spread(1.3398874e-3f));
  p = multiply_add(p, r, spread(9.6184373e-3f));
  p = multiply_add(p, r, spread(5.5503324e-2f));
  p = multiply_add(p, r, spread(2.4022648e-1f));
  p = multiply_add(p, r, spread(6.9314720e-1f));
  p = multiply_add(p, r, spread(1.0f));
  IntLanes power = ((IntLanes)shifted << 23) + (IntLanes)p;
  Lanes y = vanishes ? Lanes{} : (Lanes)power;
  return x == x ? y : x;  // otherwise a NaN's bits would become part of the power
}

/** cap * tanh(x / cap) of scores in base 2, cap too. tanh(u) = 1 - 2 / (4^(u log2 e) + 1), near 0 its series.
 */
inline Lanes capped(Lanes x, float cap) {
  const Lanes u = x / spread(cap), z = u * u, one = spread(1.0f);
  const Lanes most = spread(120.0f);
  Lanes twice = u * spread(2.0f * static_cast<float>(kLog2e));
  twice = twice > most ? most : twice;
  const Lanes y = one - spread(2.0f) / (exp2_lanes(twice) + one);
  Lanes series = multiply_add(z, spread(0.021869489f), spread(-0.053968254f));
  series = multiply_add(z, series, spread(0.13333333f));
  series = multiply_add(z, series, spread(-0.33333333f));
  series = u * multiply_add(z, series, one);
  return spread(cap) * (z < spread(0.04f) ? series : y);
}

/** A range of the index that is summed over. */
struct Range {
  int64_t begin, end;
};

/** The left operand of a product: [rows][inner], or transposed in memory,
 * [inner][rows]. */
enum class Left { plain, transposed };
/** What the result is added to: nothing, the existing values, or those times row_scale[row]. */
enum class Onto { nothing, sum, scaled_sum };

/** c[R][V * kLanes] (+)= a b over `inner`; the sums stay in registers. */
template <Left left, Onto onto, int R, int V>
inline void multiply_block(const float* a, int64_t lda, const float* b, int64_t ldb, float* c, int64_t ldc,
                           const float* row_scale, Range inner) {
  Lanes sum[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < V; v++) {
      sum[i][v] = onto == Onto::nothing ? Lanes{} : load(c + i * ldc + v * kLanes);
      if (onto == Onto::scaled_sum) sum[i][v] *= row_scale[i];
    }
  }
  for (int64_t k = inner.begin; k < inner.end; k++) {
    Lanes row[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; v++) row[v] = load(b + k * ldb + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
      Lanes factor = spread(left == Left::plain ? a[i * lda + k] : a[k * lda + i]);
#pragma GCC unroll 2
      for (int v = 0; v < V; v++) sum[i][v] = multiply_add(factor, row[v], sum[i][v]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; i++) {
#pragma GCC unroll 2
    for (int v = 0; v < V; v++) store(c + i * ldc + v * kLanes, sum[i][v]);
  }
}

template <Left left, Onto onto, int R = kBlockRows>
inline void multiply_rows(int64_t rows, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
                          int64_t ldc, int64_t cols, const float* row_scale, Range inner) {
  if constexpr (R > 1) {
    if (rows < R)
      return multiply_rows<left, onto, R - 1>(rows, a, lda, b, ldb, c, ldc, cols, row_scale, inner);
  }
  int64_t j = 0;
  for (; j + 2 * kLanes <= cols; j += 2 * kLanes)
    multiply_block<left, onto, R, 2>(a, lda, b + j, ldb, c + j, ldc, row_scale, inner);
  if (j < cols) multiply_block<left, onto, R, 1>(a, lda, b + j, ldb, c + j, ldc, row_scale, inner);
}

/**
 * c[rows][cols] (+)= a[rows][inner] b[inner][cols]; cols is a multiple of kLanes. inner_of(first, last) is
 * the range of the summed index that rows [first, last) need: products with zeros due to causality are
 * skipped.
 */
template <Left left, Onto onto, typename InnerOf>
inline void multiply(int64_t rows, const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
                     int64_t ldc, int64_t cols, const float* row_scale, InnerOf inner_of) {
  for (int64_t i = 0; i < rows; i += kBlockRows) {
    int64_t n = std::min<int64_t>(kBlockRows, rows - i);
    multiply_rows<left, onto>(n, left == Left::plain ? a + i * lda : a + i, lda, b, ldb, c + i * ldc, ldc,
                              cols, onto == Onto::scaled_sum ? row_scale + i : nullptr, inner_of(i, i + n));
  }
}

/** n elements from `index` on as float, times factor, then zeros up to
 * `padded`. */
inline void load_padded(const FloatView& x, int64_t index, int64_t n, int64_t padded, float factor,
                        float* out) {
  const float* row = x.read(index, n, out);
  for (int64_t j = 0; j < n; j++) out[j] = row[j] * factor;
  std::fill(out + n, out + padded, 0.0f);
}

/** out[column][row] = in[row][column] for 4 rows of `cols` floats, cols a
 * multiple of 4. */
inline void transpose_four(const float* in, int64_t ldin, int64_t cols, float* out, int64_t ldout) {
  for (int64_t j = 0; j < cols; j += 4) {
#if defined(__SSE__)
    __m128 a = _mm_loadu_ps(in + j), b = _mm_loadu_ps(in + ldin + j);
    __m128 c = _mm_loadu_ps(in + 2 * ldin + j), d = _mm_loadu_ps(in + 3 * ldin + j);
    _MM_TRANSPOSE4_PS(a, b, c, d);
    _mm_storeu_ps(out + j * ldout, a);
    _mm_storeu_ps(out + (j + 1) * ldout, b);
    _mm_storeu_ps(out + (j + 2) * ldout, c);
    _mm_storeu_ps(out + (j + 3) * ldout, d);
#else
    for (int64_t i = 0; i < 4; i++) {
      for (int64_t k = 0; k < 4; k++) out[(j + k) * ldout + i] = in[i * ldin + j + k];
    }
#endif
  }
}

/** Memory for one thread, kept between calls and divided into pieces that begin on cache lines. */
class Scratch {
 public:
  explicit Scratch(int64_t floats) {
    static thread_local std::vector<float> memory;
    if (memory.size() < static_cast<size_t>(floats) + 16) memory.resize(floats + 16);
    next_ = memory.data();
    next_ += (64 - reinterpret_cast<uintptr_t>(next_) % 64) % 64 / 4;
  }
  float* take(int64_t floats) {
    float* piece = next_;
    next_ += rounded(floats);
    return piece;
  }
  static int64_t rounded(int64_t floats) { return (floats + 15) / 16 * 16; }

 private:
  float* next_;
};

}  // namespace qlora::QLORA_ISA
