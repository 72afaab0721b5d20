#include <limits>

#include "cpu/four_bit.h"

namespace qlora::QLORA_ISA {

namespace {

constexpr int64_t kLargestBlock = 4096;

/** Largest |x|; NaN is ignored. Compared as integers, whose order is that of the floats and which vectorize.
 */
float largest(const float* x, int64_t n) {
  int32_t most = 0;
  for (int64_t i = 0; i < n; i++) {
    int32_t magnitude = static_cast<int32_t>(bits_of(x[i]) & 0x7fffffffu);
    magnitude = magnitude > 0x7f800000 ? 0 : magnitude;
    most = magnitude > most ? magnitude : most;
  }
  return float_of(static_cast<uint32_t>(most));
}

/**
 * The code of the largest value whose lower threshold (its midpoint with the value below) is strictly below
 * x / max: ties go to the lower value.
 */
class Encoder {
 public:
  explicit Encoder(const std::string& quant_type) {
    const float* value = code_values(quant_type);
    for (int32_t i = 0; i < 16; i++) codes_[i] = i;
    // By value; -0, which is code 8 in FP4, before 0.
    std::stable_sort(codes_, codes_ + 16, [&](int32_t i, int32_t j) {
      return value[i] < value[j] || (value[i] == value[j] && i > j);
    });
    for (int i = 0; i < 15; i++) {
      const float low = value[codes_[i]], high = value[codes_[i + 1]];
      thresholds_[i] =
          low == high ? -std::numeric_limits<float>::min() : (low + high) * 0.5f;  // 0 itself is not -0
    }
  }

  void encode(const float* x, float reciprocal, int64_t n, int32_t* code) const {
    const Encoder table = *this;  // a copy that `code` cannot alias, so that the loop vectorizes
    for (int64_t i = 0; i < n; i++) {
      const float t = x[i] * reciprocal;
      int32_t found = table.codes_[0];
#pragma GCC unroll 15
      for (int k = 0; k < 15; k++) found = t > table.thresholds_[k] ? table.codes_[k + 1] : found;
      code[i] = found;
    }
  }

 private:
  int32_t codes_[16];
  float thresholds_[15];
};

}  // namespace

void CpuOps::quantize_4bit(const Tensor& x, const Tensor& codes, const Tensor& absmax,
                           const std::string& quant_type, int64_t blocksize) {
  const Encoder encoder(quant_type);
  const FloatView view(x);
  uint8_t* packed = codes.data<uint8_t>();
  float* maxima = absmax.data<float>();
  const int64_t count = x.numel(), blocks = (count + blocksize - 1) / blocksize;
  parallel_for(blocks, std::max<int64_t>(1, 4 * kLargestBlock / blocksize), [&](int64_t begin, int64_t end) {
    float buffer[kLargestBlock];
    int32_t code[kLargestBlock + 1];
    for (int64_t block = begin; block < end; block++) {
      const int64_t first = block * blocksize, n = std::min(blocksize, count - first);
      const float* values = view.read(first, n, buffer);
      const float most = maxima[block] = largest(values, n);
      encoder.encode(values, most > 0 ? 1.0f / most : 0.0f, n, code);  // a block of zeros: codes of 0
      const float padding = 0;
      encoder.encode(&padding, 0, 1, code + n);
      for (int64_t i = 0; i < (n + 1) / 2; i++)
        packed[first / 2 + i] = static_cast<uint8_t>(code[2 * i] << 4 | code[2 * i + 1]);
    }
  });
}

}  // namespace qlora::QLORA_ISA
