#include <cmath>

#include "cpu/four_bit.h"

namespace qlora::QLORA_ISA {

namespace {

constexpr int64_t kChunk = 4096;  // the largest block size

/** Largest |x|, NaN ignored. Compared as integers, which order like the floats and vectorize. */
float largest(const float* x, int64_t n) {
  int32_t most = 0;
  for (int64_t i = 0; i < n; i++) {
    int32_t magnitude = static_cast<int32_t>(bits_of(x[i]) & 0x7fffffffu);
    magnitude = magnitude > 0x7f800000 ? 0 : magnitude;
    most = magnitude > most ? magnitude : most;
  }
  return float_of(static_cast<uint32_t>(most));
}

/** A code is the number of thresholds strictly below the scaled value: a tie goes to the smaller value, NaN to code 0. */
struct Nf4 {
  float thresholds[15];
  Nf4() {
    const float* code = code_values("nf4");
    for (int i = 0; i < 15; i++) thresholds[i] = (code[i] + code[i + 1]) * 0.5f;
  }
  void encode(const float* x, float reciprocal, int64_t n, int32_t* index) const {
    for (int64_t i = 0; i < n; i++) {
      const float t = x[i] * reciprocal;
      int32_t count = 0;
#pragma GCC unroll 15
      for (int k = 0; k < 15; k++) count += t > thresholds[k];
      index[i] = count;
    }
  }
};

/** The same on |x|; the code of the i-th smallest magnitude and the sign bit follow. */
struct Fp4 {
  static constexpr int32_t kByMagnitude[8] = {0, 1, 6, 7, 4, 5, 2, 3};
  float thresholds[7];
  Fp4() {
    const float* code = code_values("fp4");
    for (int i = 0; i < 7; i++) thresholds[i] = (code[kByMagnitude[i]] + code[kByMagnitude[i + 1]]) * 0.5f;
  }
  void encode(const float* x, float reciprocal, int64_t n, int32_t* index) const {
    for (int64_t i = 0; i < n; i++) {
      const float t = x[i] * reciprocal, magnitude = std::fabs(t);
      int32_t code = 0;
#pragma GCC unroll 7
      for (int k = 0; k < 7; k++) code = magnitude > thresholds[k] ? kByMagnitude[k + 1] : code;
      index[i] = code | (t < 0 ? 8 : 0);
    }
  }
};

template <typename Encoder>
void quantize(const Encoder& encoder, const FloatView& x, int64_t count, uint8_t* codes, float* absmax, int64_t blocksize) {
  const int64_t blocks = (count + blocksize - 1) / blocksize;
  parallel_for(blocks, std::max<int64_t>(1, 4 * kChunk / blocksize), [&](int64_t begin, int64_t end) {
    float buffer[kChunk];
    int32_t index[kChunk];
    for (int64_t block = begin; block < end; block++) {
      const int64_t first = block * blocksize, n = std::min(blocksize, count - first);
      const float* values = x.read(first, n, buffer);
      absmax[block] = largest(values, n);
      const float reciprocal = 1.0f / absmax[block];
      encoder.encode(values, reciprocal, n, index);
      uint8_t* out = codes + first / 2;
      for (int64_t i = 0; i < n / 2; i++) out[i] = static_cast<uint8_t>(index[2 * i] << 4 | index[2 * i + 1]);
      if (n % 2 != 0) {
        const float zero = 0;
        encoder.encode(&zero, 1, 1, index + n);
        out[n / 2] = static_cast<uint8_t>(index[n - 1] << 4 | index[n]);
      }
    }
  });
}

}  // namespace

void CpuOps::quantize_4bit(const Tensor& x, const Tensor& codes, const Tensor& absmax, const std::string& quant_type,
                           int64_t blocksize) {
  const FloatView view(x);
  uint8_t* out = codes.data<uint8_t>();
  float* maxima = absmax.data<float>();
  if (quant_type == "nf4") {
    quantize(Nf4(), view, x.numel(), out, maxima, blocksize);
  } else {
    quantize(Fp4(), view, x.numel(), out, maxima, blocksize);
  }
}

}  // namespace qlora::QLORA_ISA
