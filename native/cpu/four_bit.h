#pragma once
#include <algorithm>
#include <string>

#include "core/block_maxima.h"
#include "cpu/tiles.h"

// Reads bitsandbytes' 4-bit blocks: element i of the flattened matrix is code[nibble i] * absmax[i /
// blocksize], where even elements are in the high nibble.
namespace qlora::QLORA_ISA {

/** The 16 values of a quant_type, "nf4" or "fp4". */
inline const float* code_values(const std::string& quant_type) {
  static constexpr float nf4[16] = {-1.0f,
                                    -0.6961928009986877f,
                                    -0.5250730514526367f,
                                    -0.39491748809814453f,
                                    -0.28444138169288635f,
                                    -0.18477343022823334f,
                                    -0.09105003625154495f,
                                    0.0f,
                                    0.07958029955625534f,
                                    0.16093020141124725f,
                                    0.24611230194568634f,
                                    0.33791524171829224f,
                                    0.44070982933044434f,
                                    0.5626170039176941f,
                                    0.7229568362236023f,
                                    1.0f};
  static constexpr float fp4[16] = {0.0f,       0.0625f / 12, 8.0f / 12,  1.0f,          4.0f / 12,  0.5f,
                                    2.0f / 12,  0.25f,        -0.0f,      -0.0625f / 12, -8.0f / 12, -1.0f,
                                    -4.0f / 12, -0.5f,        -2.0f / 12, -0.25f};
  return quant_type == "nf4" ? nf4 : fp4;
}

/**
 * dst[0, n) = table[code] for the elements [first, first + n), `first` even. A table contains a block's 16
 * values, scaled and rounded, so rounding is done 16 times per block and not once per element.
 */
#if defined(__AVX512F__)

struct CodeTable {
  __m512 values;

  CodeTable(const float* code, float absmax, DType first_rounding, DType second_rounding)
      : values(rounded(second_rounding, rounded(first_rounding, _mm512_mul_ps(_mm512_loadu_ps(code),
                                                                              _mm512_set1_ps(absmax))))) {}

  static __m512 rounded(DType dtype, __m512 x) {
    if (dtype == DType::bf16) return widen(narrow(x));
    if (dtype == DType::f16) return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
    return x;
  }

  /** The bytes of the next 32 elements, of which `left` exist; one byte per 32-bit lane. */
  static __m512i next_bytes(const uint8_t* p, int64_t left) {
    const __m128i bytes =
        left >= 31 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))
                   : _mm_maskz_loadu_epi8(static_cast<__mmask16>((1u << ((left + 1) / 2)) - 1u), p);
    return _mm512_cvtepu8_epi32(bytes);
  }

  // The permutation uses only the low bits of its index, so the high nibble needs no mask.
  void look_up(const uint8_t* p, int64_t n, float* dst) const {
    const __m512i low_half = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i high_half = _mm512_set_epi32(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8);
    for (int64_t i = 0; i < n; i += 32, p += 16) {
      const __m512i bytes = next_bytes(p, n - i);
      const __m512 even = _mm512_permutexvar_ps(_mm512_srli_epi32(bytes, 4), values);
      const __m512 odd = _mm512_permutexvar_ps(bytes, values);
      const __m512 x = _mm512_permutex2var_ps(even, low_half, odd),
                   y = _mm512_permutex2var_ps(even, high_half, odd);
      if (n - i >= 32) {
        _mm512_storeu_ps(dst + i, x);
        _mm512_storeu_ps(dst + i + 16, y);
      } else {
        const uint32_t lanes = (1u << (n - i)) - 1u;
        _mm512_mask_storeu_ps(dst + i, static_cast<__mmask16>(lanes), x);
        _mm512_mask_storeu_ps(dst + i + 16, static_cast<__mmask16>(lanes >> 16), y);
      }
    }
  }

  void look_up(const uint8_t* p, int64_t n, bf16_t* dst) const {
    const __m512i table = _mm512_broadcast_i64x4(narrow(values));
    for (int64_t i = 0; i < n; i += 32, p += 16) {
      const __m512i bytes = next_bytes(p, n - i);
      const __m512i index = _mm512_or_si512(_mm512_srli_epi32(bytes, 4), _mm512_slli_epi32(bytes, 16));
      const __mmask32 lanes = n - i >= 32 ? ~0u : (1u << (n - i)) - 1u;
      _mm512_mask_storeu_epi16(dst + i, lanes, _mm512_permutexvar_epi16(index, table));
    }
  }

  float value(int index) const { return values[index]; }
};

#else

struct CodeTable {
  alignas(64) float values[16];

  CodeTable(const float* code, float absmax, DType first_rounding, DType second_rounding) {
    for (int i = 0; i < 16; i++) values[i] = code[i] * absmax;
    round(first_rounding);
    round(second_rounding);
  }

  void round(DType dtype) {
    if (dtype == DType::bf16)
      for (float& x : values) x = to_float(from_float<bf16_t>(x));
    if (dtype == DType::f16)
      for (float& x : values) x = to_float(from_float<f16_t>(x));
  }

  void look_up(const uint8_t* p, int64_t n, float* dst) const {
    int64_t i = 0;
#if defined(__AVX2__)
    const __m256 values_low = _mm256_load_ps(values), values_high = _mm256_load_ps(values + 8);
    const __m128i low = _mm_set1_epi8(15);
    for (; i + 8 <= n; i += 8, p += 4) {
      int32_t word;
      std::memcpy(&word, p, 4);
      const __m128i bytes = _mm_cvtsi32_si128(word);
      const __m256i index = _mm256_cvtepu8_epi32(
          _mm_unpacklo_epi8(_mm_and_si128(_mm_srli_epi16(bytes, 4), low), _mm_and_si128(bytes, low)));
      const __m256 high_half = _mm256_castsi256_ps(_mm256_slli_epi32(index, 28));
      _mm256_storeu_ps(dst + i, _mm256_blendv_ps(_mm256_permutevar8x32_ps(values_low, index),
                                                 _mm256_permutevar8x32_ps(values_high, index), high_half));
    }
#endif
    for (; i + 2 <= n; i += 2, p++) {
      dst[i] = values[*p >> 4];
      dst[i + 1] = values[*p & 15];
    }
    if (i < n) dst[i] = values[*p >> 4];
  }

  void look_up(const uint8_t* p, int64_t n, bf16_t* dst) const {
    for (int64_t i = 0; i < n; i++)
      dst[i] = from_float<bf16_t>(values[i % 2 == 0 ? p[i / 2] >> 4 : p[i / 2] & 15]);
  }

  float value(int index) const { return values[index]; }
};

#endif

/** Block maxima: float32, or codes of double-quantized ones (with a map). */
class Maxima {
 public:
  explicit Maxima(const BlockMaxima& maxima) {
    if (!maxima.code_map) {
      plain_ = maxima.absmax.data<float>();
      return;
    }
    codes_ = maxima.absmax.data<uint8_t>();
    map_ = maxima.code_map->data<float>();
    nested_ = maxima.nested_absmax->data<float>();
    offset_ = *maxima.offset->data<float>();
    while ((int64_t{1} << shift_) < maxima.nested_blocksize) shift_++;
  }

  /** The maxima of blocks [block, block + n): in place, or decoded into buffer. */
  const float* read(int64_t block, int64_t n, float* buffer) const {
    if (!map_) return plain_ + block;
    for (int64_t i = 0; i < n; i++)
      buffer[i] = map_[codes_[block + i]] * nested_[(block + i) >> shift_] + offset_;
    return buffer;
  }

 private:
  const float *plain_ = nullptr, *map_ = nullptr, *nested_ = nullptr;
  const uint8_t* codes_ = nullptr;
  float offset_ = 0;
  int shift_ = 0;
};

/** A 4-bit matrix, and how its values are rounded: to weight_dtype, then to operand_dtype. */
struct FourBit {
  const uint8_t* codes;
  Maxima maxima;
  const float* values;
  int64_t blocksize;
  DType weight_dtype, operand_dtype;

  /** Elements [first, first + n) of the flattened matrix. */
  template <typename T>
  void read(int64_t first, int64_t n, T* dst) const {
    constexpr int64_t kAtOnce = 16;  // maxima: decoding them one by one would wait for each
    float buffer[kAtOnce];
    const int64_t end = first + n, blocks = (end + blocksize - 1) / blocksize;
    for (int64_t block = first / blocksize; block < blocks;) {
      const int64_t count = std::min(kAtOnce, blocks - block);
      const float* maximum = maxima.read(block, count, buffer);
      for (int64_t i = 0; i < count; i++) {
        const int64_t run = std::min(end, ++block * blocksize) - first, odd = first % 2;
        const CodeTable table(values, maximum[i], weight_dtype, operand_dtype);
        if (odd) dst[0] = from_float<T>(table.value(codes[first / 2] & 15));
        table.look_up(codes + (first + odd) / 2, run - odd, dst + odd);
        first += run;
        dst += run;
      }
    }
  }
};

}  // namespace qlora::QLORA_ISA
