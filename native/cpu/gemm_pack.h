#pragma once
#include <algorithm>
#include <type_traits>

#include "cpu/gemm_simd.h"
#include "cpu/gemm_source.h"

// Packing: rectangles of a Source in the layouts that the micro-kernels read. T is float (one k per word)
// or bf16_t (two consecutive k per word; an odd last k is paired with zero).
namespace qlora::QLORA_ISA {

template <typename T>
constexpr int64_t kWord = 4 / static_cast<int64_t>(sizeof(T));

template <typename T>
int64_t words(int64_t k) {
  return (k + kWord<T> - 1) / kWord<T>;
}

/** dst[j][i] = src[i][j] for a square of width x width words. */
inline void transpose_square(const float* src, int64_t lds, float* dst, int64_t ldd) {
#if defined(__AVX512F__)
  __m512 a[16], b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(src + i * lds);
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    const __m512 x0 = _mm512_unpacklo_ps(a[i], a[i + 1]), x1 = _mm512_unpackhi_ps(a[i], a[i + 1]);
    const __m512 x2 = _mm512_unpacklo_ps(a[i + 2], a[i + 3]), x3 = _mm512_unpackhi_ps(a[i + 2], a[i + 3]);
    b[i] = _mm512_shuffle_ps(x0, x2, 0x44);
    b[i + 1] = _mm512_shuffle_ps(x0, x2, 0xee);
    b[i + 2] = _mm512_shuffle_ps(x1, x3, 0x44);
    b[i + 3] = _mm512_shuffle_ps(x1, x3, 0xee);
  }
  // b[4 g + c], 128-bit lane q: column 4 q + c of rows 4 g .. 4 g + 3. A 4 x 4 transpose of lanes remains.
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    const __m512 x0 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x44),
                 x1 = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xee);
    const __m512 x2 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x44),
                 x3 = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xee);
    _mm512_storeu_ps(dst + c * ldd, _mm512_shuffle_f32x4(x0, x2, 0x88));
    _mm512_storeu_ps(dst + (4 + c) * ldd, _mm512_shuffle_f32x4(x0, x2, 0xdd));
    _mm512_storeu_ps(dst + (8 + c) * ldd, _mm512_shuffle_f32x4(x1, x3, 0x88));
    _mm512_storeu_ps(dst + (12 + c) * ldd, _mm512_shuffle_f32x4(x1, x3, 0xdd));
  }
#elif defined(__AVX2__)
  __m256 a[8], b[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) a[i] = _mm256_loadu_ps(src + i * lds);
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    const __m256 x0 = _mm256_unpacklo_ps(a[i], a[i + 1]), x1 = _mm256_unpackhi_ps(a[i], a[i + 1]);
    const __m256 x2 = _mm256_unpacklo_ps(a[i + 2], a[i + 3]), x3 = _mm256_unpackhi_ps(a[i + 2], a[i + 3]);
    b[i] = _mm256_shuffle_ps(x0, x2, 0x44);
    b[i + 1] = _mm256_shuffle_ps(x0, x2, 0xee);
    b[i + 2] = _mm256_shuffle_ps(x1, x3, 0x44);
    b[i + 3] = _mm256_shuffle_ps(x1, x3, 0xee);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; c++) {
    _mm256_storeu_ps(dst + c * ldd, _mm256_permute2f128_ps(b[c], b[4 + c], 0x20));
    _mm256_storeu_ps(dst + (4 + c) * ldd, _mm256_permute2f128_ps(b[c], b[4 + c], 0x31));
  }
#else
  for (int i = 0; i < Simd::width; i++)
    for (int j = 0; j < Simd::width; j++) dst[j * ldd + i] = src[i * lds + j];
#endif
}

/** dst[j][i] = src[i][j] for rows x cols words. */
inline void transpose(int64_t rows, int64_t cols, const float* src, int64_t lds, float* dst, int64_t ldd) {
  constexpr int W = Simd::width;
  for (int64_t i = 0; i < rows; i += W) {
    for (int64_t j = 0; j < cols; j += W) {
      const int64_t h = std::min<int64_t>(W, rows - i), w = std::min<int64_t>(W, cols - j);
      if (h == W && w == W) {
        transpose_square(src + i * lds + j, lds, dst + j * ldd + i, ldd);
        continue;
      }
      alignas(64) float in[W * W] = {}, out[W * W];
      for (int64_t r = 0; r < h; r++)
        std::memcpy(in + r * W, src + (i + r) * lds + j, static_cast<size_t>(w) * 4);
      transpose_square(in, W, out, W);
      for (int64_t c = 0; c < w; c++)
        std::memcpy(dst + (j + c) * ldd + i, out + c * W, static_cast<size_t>(h) * 4);
    }
  }
}

inline void copy_words(const float* src, float* dst, int64_t n) {
  int64_t j = 0;
  for (; j + Simd::width <= n; j += Simd::width) Simd::store(dst + j, Simd::load(src + j));
  for (; j < n; j++) std::memcpy(dst + j, src + j, 4);
}

/** Words (a[j], b[j]) of two bfloat16 rows. */
inline void interleave(const bf16_t* a, const bf16_t* b, float* dst, int64_t n) {
  uint32_t* out = reinterpret_cast<uint32_t*>(dst);
  for (int64_t j = 0; j < n; j++)
    out[j] = static_cast<uint32_t>(a[j].bits) | static_cast<uint32_t>(b[j].bits) << 16;
}

/** `count` words of k and `cols` columns of the rows at src: float rows unchanged, bfloat16 rows in pairs. */
inline void words_of_rows(const float* src, int64_t lds, int64_t count, int64_t cols, float* dst,
                          int64_t ldd) {
  for (int64_t i = 0; i < count; i++) copy_words(src + i * lds, dst + i * ldd, cols);
}
inline void words_of_rows(const bf16_t* src, int64_t lds, int64_t count, int64_t cols, float* dst,
                          int64_t ldd) {
  for (int64_t i = 0; i < count; i++)
    interleave(src + 2 * i * lds, src + (2 * i + 1) * lds, dst + i * ldd, cols);
}

/**
 * Columns read at a time from rows that are not used in place, so that the buffer stays in the first-level
 * cache.
 */
constexpr int64_t kStrip = 64;

/** Columns [col, col + cols), k in [k0, k0 + k), of a source [.., cols] whose rows are k: as words
 * [words(k)][ldd]. */
template <typename T>
void read_columns(const Source& source, int64_t k0, int64_t k, int64_t col, int64_t cols, float* dst,
                  int64_t ldd) {
  constexpr int64_t kRows = 16;
  const T* in_place = source.in_place(static_cast<const T*>(nullptr));
  int64_t done = 0;  // in k
  if (in_place) {
    done = k / kWord<T> * kWord<T>;
    words_of_rows(in_place + k0 * source.cols() + col, source.cols(), done / kWord<T>, cols, dst, ldd);
  }
  alignas(64) T rows[kRows * kStrip];
  for (; done < k; done += kRows) {
    const int64_t count = std::min(kRows, k - done);
    for (int64_t j = 0; j < cols; j += kStrip) {
      const int64_t part = std::min(kStrip, cols - j);
      source.read(k0 + done, count, col + j, part, rows, kStrip);
      if (count % kWord<T> != 0) std::memset(rows + count * kStrip, 0, kStrip * sizeof(T));
      words_of_rows(rows, kStrip, words<T>(count), part, dst + done / kWord<T> * ldd + j, ldd);
    }
  }
}

/** Rows [row, row + rows) of a [.., k] source, k in [k0, k0 + k), as words [rows][ld]. */
template <typename T>
void read_words(const Source& source, int64_t row, int64_t rows, int64_t k0, int64_t k, float* dst,
                int64_t ld) {
  T* out = reinterpret_cast<T*>(dst);
  source.read(row, rows, k0, k, out, ld * kWord<T>);
  if (k % kWord<T> != 0)
    for (int64_t i = 0; i < rows; i++) out[i * ld * kWord<T> + k] = T{};
}

/** op(a)[i0 .. i0 + rows, k0 .. k0 + k] as words [rows][words(k)]. */
template <typename T>
void pack_a(const Source& a, bool transposed, int64_t i0, int64_t rows, int64_t k0, int64_t k, float* dst) {
  const int64_t ld = words<T>(k);
  if (!transposed) return read_words<T>(a, i0, rows, k0, k, dst, ld);
  alignas(64) float strip[Simd::width * kStrip];
  for (int64_t i = 0; i < rows; i += kStrip) {
    const int64_t cols = std::min(kStrip, rows - i);
    for (int64_t w = 0; w < ld; w += Simd::width) {
      const int64_t part = std::min(k - w * kWord<T>, Simd::width * kWord<T>);
      read_columns<T>(a, k0 + w * kWord<T>, part, i0 + i, cols, strip, kStrip);
      transpose(words<T>(part), cols, strip, kStrip, dst + i * ld + w, ld);
    }
  }
}

/** Columns of a panel of B with `cols` columns, rounded up to whole registers. */
inline int64_t panel_width(int64_t cols) { return (cols + Simd::width - 1) / Simd::width * Simd::width; }

/** op(b)[k0 .. k0 + k, j0 .. j0 + cols] as words [words(k)][panel_width(cols)], padded with zero columns. */
template <typename T>
void pack_b(const Source& b, bool transposed, int64_t k0, int64_t k, int64_t j0, int64_t cols, float* dst) {
  const int64_t ld = panel_width(cols), depth = words<T>(k);
  if (ld != cols) std::memset(dst, 0, static_cast<size_t>(depth * ld) * 4);
  if (!transposed) return read_columns<T>(b, k0, k, j0, cols, dst, ld);
  const T* in_place =
      k % kWord<T> == 0 && b.cols() % kWord<T> == 0 ? b.in_place(static_cast<const T*>(nullptr)) : nullptr;
  for (int64_t j = 0; j < cols; j += Simd::width) {
    const int64_t rows = std::min<int64_t>(Simd::width, cols - j);
    if (in_place) {
      const float* src = reinterpret_cast<const float*>(in_place + (j0 + j) * b.cols() + k0);
      transpose(rows, depth, src, b.cols() / kWord<T>, dst + j, ld);
      continue;
    }
    constexpr int64_t kDepth = 4 * kStrip;
    alignas(64) float rows_of_words[Simd::width * kDepth];
    for (int64_t w = 0; w < depth; w += kDepth) {
      const int64_t part = std::min(k - w * kWord<T>, kDepth * kWord<T>);
      read_words<T>(b, j0 + j, rows, k0 + w * kWord<T>, part, rows_of_words, kDepth);
      transpose(rows, words<T>(part), rows_of_words, kDepth, dst + w * ld + j, ld);
    }
  }
}

}  // namespace qlora::QLORA_ISA
