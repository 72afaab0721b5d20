#pragma once
#include "cpu/gemm_output.h"
#include "cpu/gemm_simd.h"

// Decoding: a few rows of x times W^T. The rows of W are read once, in place or through the first-level
// cache, and are not packed, so the product runs at memory speed.
namespace qlora::QLORA_ISA {

/** sums[r][c] += a[r] . b[c] over k, for R rows of a and 4 of b. */
template <int R>
void dot_rows(int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb, float* sums, int64_t lds) {
  constexpr int W = Simd::width;
  Simd::Vec acc[R][4];
#pragma GCC unroll 2
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) acc[r][c] = Simd::zero();
  int64_t l = 0;
  for (; l + W <= k; l += W) {
    Simd::Vec x[R];
#pragma GCC unroll 2
    for (int r = 0; r < R; r++) x[r] = Simd::load(a + r * lda + l);
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
      const Simd::Vec y = Simd::load(b + c * ldb + l);
#pragma GCC unroll 2
      for (int r = 0; r < R; r++) acc[r][c] = Simd::fma(x[r], y, acc[r][c]);
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
      float sum = sum_lanes(acc[r][c]);
      for (int64_t t = l; t < k; t++) sum += a[r * lda + t] * b[c * ldb + t];
      sums[r * lds + c] += sum;
    }
}

class FewRowsProduct {
 public:
  /** Up to this many rows it is faster than packing. */
  static constexpr int64_t kMostRows = 6;

  explicit FewRowsProduct(const Product& p) : p_(p), out_(p) {}

  void run() {
    float* x = scratch(Slot::shared, p_.m * p_.k);
    p_.a.read(0, p_.m, 0, p_.k, x, p_.k);
    // Four rows of W at a time; reading an element of W costs about as much as 16 multiply-adds.
    split((p_.n + 3) / 4, p_.n * p_.k * (16 + p_.m), [&](int64_t begin, int64_t end) {
      for (int64_t group = begin; group < end; group++) run_group(x, 4 * group);
    });
  }

 private:
  static constexpr int64_t kDepth = 1024;

  void run_group(const float* x, int64_t j) const {
    const int64_t rows = std::min<int64_t>(4, p_.n - j);
    const float* w = rows == 4 ? p_.b.in_place(static_cast<const float*>(nullptr)) : nullptr;
    float* buffer = scratch(Slot::b, 4 * kDepth);
    float sums[kMostRows * 4] = {};
    for (int64_t k = 0; k < p_.k; k += kDepth) {
      const int64_t n = std::min(kDepth, p_.k - k);
      const float* b = w ? w + j * p_.k + k : buffer;
      if (!w) {
        if (rows < 4) std::memset(buffer, 0, sizeof(float) * 4 * kDepth);
        p_.b.read(j, rows, k, n, buffer, kDepth);
      }
      const int64_t ldb = w ? p_.k : kDepth;
      int64_t i = 0;
      for (; i + 2 <= p_.m; i += 2) dot_rows<2>(n, x + i * p_.k + k, p_.k, b, ldb, sums + i * 4, 4);
      if (i < p_.m) dot_rows<1>(n, x + i * p_.k + k, p_.k, b, ldb, sums + i * 4, 4);
    }
    for (int64_t i = 0; i < p_.m * 4; i++) sums[i] *= p_.alpha;
    out_.finish(0, j, p_.m, rows, sums, 4);
  }

  const Product& p_;
  const Output out_;
};

}  // namespace qlora::QLORA_ISA
