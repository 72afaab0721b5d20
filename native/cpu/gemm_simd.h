#pragma once
#include <cstdint>

#include "cpu/cpu_ops.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

// The registers of matrix products, and the tile that fills them: `rows` x `vectors` accumulators, one row
// of B and one broadcast of A.
namespace qlora::QLORA_ISA {

#if defined(__AVX512F__)

struct Simd {
  using Vec = __m512;
  static constexpr int width = 16, rows = 8, vectors = 3;
  static Vec zero() { return _mm512_setzero_ps(); }
  static Vec set(float x) { return _mm512_set1_ps(x); }
  static Vec load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Vec x) { _mm512_storeu_ps(p, x); }
  static Vec mul(Vec a, Vec b) { return _mm512_mul_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
};

#elif defined(__AVX2__)

struct Simd {
  using Vec = __m256;
  static constexpr int width = 8, rows = 6, vectors = 2;
  static Vec zero() { return _mm256_setzero_ps(); }
  static Vec set(float x) { return _mm256_set1_ps(x); }
  static Vec load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Vec x) { _mm256_storeu_ps(p, x); }
  static Vec mul(Vec a, Vec b) { return _mm256_mul_ps(a, b); }
  static Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
};

#else

struct Simd {
  typedef float Vec __attribute__((vector_size(16)));
  typedef float Loose __attribute__((vector_size(16), aligned(4), may_alias));
  static constexpr int width = 4, rows = 4, vectors = 2;
  static Vec zero() { return Vec{}; }
  static Vec set(float x) { return Vec{x, x, x, x}; }
  static Vec load(const float* p) { return *reinterpret_cast<const Loose*>(p); }
  static void store(float* p, Vec x) { *reinterpret_cast<Loose*>(p) = x; }
  static Vec mul(Vec a, Vec b) { return a * b; }
  static Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
};

#endif

/** Columns of a packed panel of B. */
constexpr int kPanel = Simd::width * Simd::vectors;

inline float sum_lanes(Simd::Vec x) {
  alignas(64) float lanes[Simd::width];
  Simd::store(lanes, x);
  for (int step = Simd::width / 2; step > 0; step /= 2)
    for (int i = 0; i < step; i++) lanes[i] += lanes[i + step];
  return lanes[0];
}

}  // namespace qlora::QLORA_ISA
