#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

// The roundings of ggml's reference quantizers.
namespace qlora::ggml {

/** To the nearest integer, ties to even, by adding 1.5 * 2^23; |x| < 2^22. */
inline int nearest(float x) {
  float shifted = x + 12582912.f;
  int bits;
  std::memcpy(&bits, &shifted, 4);
  return (bits & 0x007fffff) - 0x00400000;
}

inline int clamped(int value, int low, int high) { return std::max(low, std::min(high, value)); }

/**
 * float16 bits, rounded to nearest even. cpu/convert.h cannot be used here: it is compiled once per
 * instruction set.
 */
inline uint16_t half_bits(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  const uint32_t sign = (u >> 16) & 0x8000u, rest = u & 0x7fffffffu;
  if (rest > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (rest >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (rest >= 0x38800000u)
    return static_cast<uint16_t>(sign | ((rest - 0x38000000u + 0xfffu + ((rest >> 13) & 1u)) >> 13));
  // Subnormal: adding 0.5 makes the last bit 2^-24.
  float magnitude;
  std::memcpy(&magnitude, &rest, 4);
  const float shifted = magnitude + 0.5f;
  uint32_t bits;
  std::memcpy(&bits, &shifted, 4);
  return static_cast<uint16_t>(sign | (bits - 0x3f000000u));
}

inline float half_value(uint16_t bits) {
  const uint32_t sign = (bits & 0x8000u) << 16, rest = bits & 0x7fffu;
  uint32_t u;
  if (rest >= 0x7c00u)
    u = sign | 0x7f800000u | (rest & 0x3ffu) << 13;
  else if (rest >= 0x400u)
    u = sign | ((rest << 13) + (112u << 23));
  else {
    const float value = static_cast<float>(rest) * 0x1p-24f;
    std::memcpy(&u, &value, 4);
    u |= sign;
  }
  float value;
  std::memcpy(&value, &u, 4);
  return value;
}

inline void store_half(uint8_t* out, float x) {
  const uint16_t bits = half_bits(x);
  std::memcpy(out, &bits, 2);
}

inline float load_half(const uint8_t* in) {
  uint16_t bits;
  std::memcpy(&bits, in, 2);
  return half_value(bits);
}

}  // namespace qlora::ggml
