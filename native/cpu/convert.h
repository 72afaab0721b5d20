#pragma once
#include <cstdint>
#include <cstring>

#include "core/dtype.h"
#include "cpu/cpu_ops.h"

#if defined(__AVX512F__) || defined(__F16C__)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"  // GCC 12's own intrinsics cause them (its bug 105593)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#endif

// Converts bfloat16 and float16 to float and back: rounds to nearest even; NaN stays NaN; overflow becomes
// infinity.
namespace qlora::QLORA_ISA {

inline uint32_t bits_of(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  return u;
}

inline float float_of(uint32_t u) {
  float x;
  std::memcpy(&x, &u, 4);
  return x;
}

inline float to_float(float x) { return x; }

inline float to_float(bf16_t x) { return float_of(static_cast<uint32_t>(x.bits) << 16); }

inline float to_float(f16_t x) {
#if defined(__F16C__)
  return _cvtsh_ss(x.bits);
#else
  uint32_t sign = (x.bits & 0x8000u) << 16, rest = x.bits & 0x7fffu;
  if (rest > 0x7c00u) return float_of(sign | 0x7fc00000u | rest << 13);
  if (rest == 0x7c00u) return float_of(sign | 0x7f800000u);
  if (rest >= 0x400u) return float_of(sign | ((rest << 13) + (112u << 23)));
  return float_of(sign | bits_of(static_cast<float>(rest) * 0x1p-24f));
#endif
}

template <typename T>
T from_float(float x);

template <>
inline float from_float<float>(float x) {
  return x;
}

template <>
inline bf16_t from_float<bf16_t>(float x) {
  uint32_t u = bits_of(x);
  uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  uint32_t nan = (u >> 16) | 0x40u;
  return {static_cast<uint16_t>((u & 0x7fffffffu) > 0x7f800000u ? nan : rounded)};
}

template <>
inline f16_t from_float<f16_t>(float x) {
#if defined(__F16C__)
  return {static_cast<uint16_t>(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT))};
#else
  uint32_t u = bits_of(x), sign = (u >> 16) & 0x8000u, rest = u & 0x7fffffffu, h;
  if (rest > 0x7f800000u) {
    h = 0x7e00u | ((rest >> 13) & 0x3ffu);
  } else if (rest >= 0x477ff000u) {  // 65520 and above round to infinity
    h = 0x7c00u;
  } else if (rest < 0x38800000u) {  // below 2^-14: adding 0.5 leaves the subnormal, rounded, in the low bits
    h = bits_of(float_of(rest) + 0.5f) - bits_of(0.5f);
  } else {
    h = (rest + 0xfffu + ((rest >> 13) & 1u) - (112u << 23)) >> 13;
  }
  return {static_cast<uint16_t>(sign | h)};
#endif
}

template <typename T>
inline void load_row(const T* src, float* dst, int64_t n) {
  for (int64_t i = 0; i < n; i++) dst[i] = to_float(src[i]);
}

template <typename T>
inline void store_row(const float* src, T* dst, int64_t n) {
  for (int64_t i = 0; i < n; i++) dst[i] = from_float<T>(src[i]);
}

template <>
inline void load_row(const float* src, float* dst, int64_t n) {
  if (src != dst) std::memcpy(dst, src, static_cast<size_t>(n) * 4);
}

template <>
inline void store_row(const float* src, float* dst, int64_t n) {
  if (src != dst) std::memcpy(dst, src, static_cast<size_t>(n) * 4);
}

// GCC vectorizes the bfloat16 loops above well, but not those with F16C or 512-bit registers.
#if defined(__AVX512F__)

inline __mmask16 first_lanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

inline __m512 widen(__m256i bf16) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bf16), 16));
}

inline __m256i narrow(__m512 x) {
  __m512i u = _mm512_castps_si512(x);
  __m512i lsb = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(u, _mm512_add_epi32(lsb, _mm512_set1_epi32(0x7fff)));
  __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  rounded = _mm512_mask_or_epi32(rounded, nan, u, _mm512_set1_epi32(0x400000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

template <>
inline void load_row(const bf16_t* src, float* dst, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps(dst + i, widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(src + i))));
  if (i < n)
    _mm512_mask_storeu_ps(dst + i, first_lanes(n - i),
                          widen(_mm256_maskz_loadu_epi16(first_lanes(n - i), src + i)));
}

template <>
inline void store_row(const float* src, bf16_t* dst, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + i), narrow(_mm512_loadu_ps(src + i)));
  if (i < n)
    _mm256_mask_storeu_epi16(dst + i, first_lanes(n - i),
                             narrow(_mm512_maskz_loadu_ps(first_lanes(n - i), src + i)));
}

template <>
inline void load_row(const f16_t* src, float* dst, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps(dst + i, _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(src + i))));
  if (i < n)
    _mm512_mask_storeu_ps(dst + i, first_lanes(n - i),
                          _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n - i), src + i)));
}

template <>
inline void store_row(const float* src, f16_t* dst, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + i),
                        _mm512_cvtps_ph(_mm512_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT));
  if (i < n)
    _mm256_mask_storeu_epi16(
        dst + i, first_lanes(n - i),
        _mm512_cvtps_ph(_mm512_maskz_loadu_ps(first_lanes(n - i), src + i), _MM_FROUND_TO_NEAREST_INT));
}

#elif defined(__F16C__)

template <>
inline void load_row(const f16_t* src, float* dst, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i))));
  for (; i < n; i++) dst[i] = to_float(src[i]);
}

template <>
inline void store_row(const float* src, f16_t* dst, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(src + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < n; i++) dst[i] = from_float<f16_t>(src[i]);
}

#endif

}  // namespace qlora::QLORA_ISA
