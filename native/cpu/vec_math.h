#pragma once
#include "cpu/convert.h"

// Elementary functions without branches or tables, so that the compiler vectorizes a plain loop over them.
// The polynomials are minimax fits. Measured: exp within 1.001 ulp; sin and cos within 1e-7 (absolute) for
// angles below 2^24.
namespace qlora::QLORA_ISA {

/** e^x: 0 below -104, infinity above 89, NaN for NaN. */
inline float fast_exp(float x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  x = x > 89.0f ? 89.0f : x;
  x = x < -104.0f ? -104.0f : x;
  float shifted = x * 1.44269504f + kRound;
  float n = shifted - kRound;
  int32_t k = static_cast<int32_t>(bits_of(shifted)) - 0x4b400000;
  float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts; the first product is exact
  float p = 1.3950602e-3f;
  p = p * r + 8.368953e-3f;
  p = p * r + 4.1666206e-2f;
  p = p * r + 0.16666518f;
  p = p * r + 0.5f;
  float y = (p * (r * r) + r) + 1.0f;
  int32_t half = k >> 1;  // 2^k in two factors: k reaches beyond the exponents of normal numbers
  return y * float_of(static_cast<uint32_t>(half + 127) << 23) *
         float_of(static_cast<uint32_t>(k - half + 127) << 23);
}

inline float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

/** tanh within 2e-7 (near 0, relative): (e^2x - 1) / (e^2x + 1), near 0 a series. */
inline float fast_tanh(float x) {
  float e = fast_exp(2.0f * x), z = x * x;
  float series = x * (1.0f + z * (-0.33333333f + z * (0.13333333f + z * (-0.053968254f + z * 0.021869489f))));
  float y = e > 1e30f ? 1.0f : (e - 1.0f) / (e + 1.0f);
  return z < 0.04f ? series : y;
}

/**
 * sin and cos of an angle in radians, |x| < 2^31. The reduction is in double, since an angle can be as
 * large as a position.
 */
inline void fast_sincos(float x, float& sine, float& cosine) {
  constexpr double kRound = 6755399441055744.0;
  double n = (static_cast<double>(x) * 0.63661977236758134 + kRound) - kRound;
  float r = static_cast<float>((x - n * 1.5707963267341256) - n * 6.077100506506192e-11);
  int32_t quadrant = static_cast<int32_t>(n);
  float z = r * r;
  float s = ((-1.9516978e-4f * z + 8.332176e-3f) * z - 0.16666655f) * (z * r) + r;
  float c = ((2.4438092e-5f * z - 1.3887364e-3f) * z + 4.1666646e-2f) * (z * z) + (1.0f - 0.5f * z);
  uint32_t sine_sign = static_cast<uint32_t>(quadrant & 2) << 30;
  uint32_t cosine_sign = static_cast<uint32_t>((quadrant + 1) & 2) << 30;
  bool swap = quadrant & 1;
  sine = float_of(bits_of(swap ? c : s) ^ sine_sign);
  cosine = float_of(bits_of(swap ? s : c) ^ cosine_sign);
}

}  // namespace qlora::QLORA_ISA
