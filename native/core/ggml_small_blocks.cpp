#include "core/ggml_small_blocks.h"

#include "core/ggml_round.h"

// Blocks of 32 values with one scale, as ggml-quants.c's quantize_row_*_ref. The order of the operations
// matters, since the blocks are bit for bit those of llama.cpp.
namespace qlora::ggml {

namespace {

constexpr int size = 32, half = 16;

/** The value with the largest magnitude, with its sign. */
float extreme(const float* x) {
  float amax = 0, value = 0;
  for (int i = 0; i < size; i++)
    if (amax < std::fabs(x[i])) {
      amax = std::fabs(x[i]);
      value = x[i];
    }
  return value;
}

/**
 * Packs the low four bits of values i and i + 16 into one byte; returns the fifth bits, that of value i at
 * bit i.
 */
uint32_t pack(const uint8_t* codes, uint8_t* out) {
  uint32_t fifth = 0;
  for (int i = 0; i < half; i++) {
    const uint8_t low = codes[i], high = codes[i + half];
    out[i] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
    fifth |= static_cast<uint32_t>((low & 16) >> 4) << i;
    fifth |= static_cast<uint32_t>((high & 16) >> 4) << (i + half);
  }
  return fifth;
}

/** The codes of values scaled to +-levels, where the extreme value is at the end. Returns the scale. */
float signed_codes(const float* x, int levels, uint8_t* codes) {
  const float d = extreme(x) / static_cast<float>(-levels);
  const float inverse = d ? 1.0f / d : 0.0f;
  const float middle = static_cast<float>(levels) + 0.5f;
  for (int i = 0; i < size; i++)
    codes[i] = static_cast<uint8_t>(
        std::min(2 * levels - 1, static_cast<int>(static_cast<int8_t>(x[i] * inverse + middle))));
  return d;
}

}  // namespace

void q4_0(const float* x, uint8_t* out) {
  uint8_t codes[size];
  store_half(out, signed_codes(x, 8, codes));
  pack(codes, out + 2);
}

void q5_0(const float* x, uint8_t* out) {
  uint8_t codes[size];
  store_half(out, signed_codes(x, 16, codes));
  const uint32_t fifth = pack(codes, out + 6);
  std::memcpy(out + 2, &fifth, 4);
}

void q5_1(const float* x, uint8_t* out) {
  float low = x[0], high = x[0];
  for (int i = 1; i < size; i++) {
    if (x[i] < low) low = x[i];
    if (x[i] > high) high = x[i];
  }
  const float d = (high - low) / 31;
  const float inverse = d ? 1.0f / d : 0.0f;
  uint8_t codes[size];
  for (int i = 0; i < size; i++) codes[i] = static_cast<uint8_t>((x[i] - low) * inverse + 0.5f);
  store_half(out, d);
  store_half(out + 2, low);
  const uint32_t fifth = pack(codes, out + 8);
  std::memcpy(out + 4, &fifth, 4);
}

void q8_0(const float* x, uint8_t* out) {
  const float d = std::fabs(extreme(x)) / 127;
  const float inverse = d ? 1.0f / d : 0.0f;
  store_half(out, d);
  for (int i = 0; i < size; i++)
    out[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
}

}  // namespace qlora::ggml
