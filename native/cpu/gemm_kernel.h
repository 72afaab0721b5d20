#pragma once
#include <utility>

#include "cpu/gemm_simd.h"

// Micro-kernels: c[rows, cols] = alpha * a @ b + beta * c for at most Simd::rows x kPanel elements of c;
// with beta = 0, c is not read. `a` is row-major with contiguous k, so a matrix of the right dtype is used
// in place. `b` is a packed panel [k, vectors * width]. k is counted in 32-bit words: a float, or a pair of
// bfloat16 (k, k + 1).
namespace qlora::QLORA_ISA {

using TileKernel = void (*)(int64_t k, const void* a, int64_t lda, const void* b, float* c, int64_t ldc,
                            int cols, float alpha, float beta);

template <int R, int C>
struct Accumulators {
  Simd::Vec at[R][C];

  void clear() {
#pragma GCC unroll 8
    for (int i = 0; i < R; i++)
#pragma GCC unroll 4
      for (int j = 0; j < C; j++) at[i][j] = Simd::zero();
  }

  void write(float* c, int64_t ldc, int cols, float alpha, float beta) const {
    if (cols != C * Simd::width) return write_edge(c, ldc, cols, alpha, beta);
    const Simd::Vec va = Simd::set(alpha), vb = Simd::set(beta);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++)
#pragma GCC unroll 4
      for (int j = 0; j < C; j++) {
        float* p = c + i * ldc + j * Simd::width;
        Simd::Vec x = Simd::mul(va, at[i][j]);
        Simd::store(p, beta == 0 ? x : Simd::fma(vb, Simd::load(p), x));
      }
  }

  void write_edge(float* c, int64_t ldc, int cols, float alpha, float beta) const {
    alignas(64) float row[C * Simd::width];
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
      for (int j = 0; j < C; j++) Simd::store(row + j * Simd::width, Simd::mul(Simd::set(alpha), at[i][j]));
      for (int j = 0; j < cols; j++) c[i * ldc + j] = beta == 0 ? row[j] : beta * c[i * ldc + j] + row[j];
    }
  }
};

/**
 * Row i of a is p[i / 3] + (i % 3) * lda: with three base pointers, x86 addresses eight rows without
 * further arithmetic.
 */
template <int R, int C>
void tile_f32(int64_t k, const void* a_, int64_t lda, const void* b_, float* c, int64_t ldc, int cols,
              float alpha, float beta) {
  const float* p[3] = {static_cast<const float*>(a_), static_cast<const float*>(a_) + 3 * lda,
                       static_cast<const float*>(a_) + 6 * lda};
  const float* b = static_cast<const float*>(b_);
  Accumulators<R, C> acc;
  acc.clear();
#pragma GCC unroll 4
  for (int64_t l = 0; l < k; l++, b += C * Simd::width) {
    Simd::Vec row[C];
#pragma GCC unroll 4
    for (int j = 0; j < C; j++) row[j] = Simd::load(b + j * Simd::width);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
      const Simd::Vec x = Simd::set(p[i / 3][(i % 3) * lda + l]);
#pragma GCC unroll 4
      for (int j = 0; j < C; j++) acc.at[i][j] = Simd::fma(x, row[j], acc.at[i][j]);
    }
  }
  acc.write(c, ldc, cols, alpha, beta);
}

#if defined(__AVX512F__)
/** The same with vdpbf16ps: every word contains two bfloat16 of consecutive k. Only if has_bf16_dot(). */
template <int R, int C>
__attribute__((target("avx512bf16"))) void tile_bf16(int64_t k, const void* a_, int64_t lda, const void* b_,
                                                     float* c, int64_t ldc, int cols, float alpha,
                                                     float beta) {
  typedef int32_t word __attribute__((may_alias));
  const word* p[3] = {static_cast<const word*>(a_), static_cast<const word*>(a_) + 3 * lda,
                      static_cast<const word*>(a_) + 6 * lda};
  const word* b = static_cast<const word*>(b_);
  Accumulators<R, C> acc;
  acc.clear();
#pragma GCC unroll 4
  for (int64_t l = 0; l < k; l++, b += C * Simd::width) {
    __m512bh row[C];
#pragma GCC unroll 4
    for (int j = 0; j < C; j++) row[j] = (__m512bh)_mm512_loadu_si512(b + j * Simd::width);
#pragma GCC unroll 8
    for (int i = 0; i < R; i++) {
      const __m512bh x = (__m512bh)_mm512_set1_epi32(p[i / 3][(i % 3) * lda + l]);
#pragma GCC unroll 4
      for (int j = 0; j < C; j++) acc.at[i][j] = _mm512_dpbf16_ps(acc.at[i][j], x, row[j]);
    }
  }
  acc.write(c, ldc, cols, alpha, beta);
}
#endif

/** A kernel for every height and width of a tile; `for_tile` selects one. */
class TileKernels {
 public:
  static TileKernels f32() { return make_f32(std::make_integer_sequence<int, kCount>{}); }
#if defined(__AVX512F__)
  static TileKernels bf16() { return make_bf16(std::make_integer_sequence<int, kCount>{}); }
#endif

  TileKernel for_tile(int rows, int vectors) const { return at_[(rows - 1) * Simd::vectors + vectors - 1]; }

 private:
  static constexpr int kCount = Simd::rows * Simd::vectors;

  template <int... I>
  static TileKernels make_f32(std::integer_sequence<int, I...>) {
    return TileKernels(tile_f32<I / Simd::vectors + 1, I % Simd::vectors + 1>...);
  }
#if defined(__AVX512F__)
  template <int... I>
  static TileKernels make_bf16(std::integer_sequence<int, I...>) {
    return TileKernels(tile_bf16<I / Simd::vectors + 1, I % Simd::vectors + 1>...);
  }
#endif

  template <typename... K>
  explicit TileKernels(K... kernels) : at_{kernels...} {}

  TileKernel at_[kCount];
};

}  // namespace qlora::QLORA_ISA
