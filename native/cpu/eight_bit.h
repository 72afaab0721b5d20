#pragma once
#include <cmath>

#include "core/eight_bit.h"
#include "cpu/gemm_source.h"

// LLM.int8: codes row by row.
namespace qlora::QLORA_ISA {

/** A code: x * scale to the nearest integer, ties to even. NaN, of a row of zeros or infinities, is 0. */
inline int8_t code_of(float x, float scale) {
  const float code = x * scale;
  return code == code ? static_cast<int8_t>(std::nearbyint(code)) : int8_t{0};
}

/** Weights codes * (maxima * (1 / 127)), rounded to the operand dtype. */
class EightBitSource final : public Source {
 public:
  EightBitSource(const Tensor& codes, const Tensor& maxima, DType operand_dtype)
      : Source(codes.shape[1]),
        codes_(codes.data<int8_t>()),
        maxima_(maxima.data<float>()),
        operand_dtype_(operand_dtype) {}

  void read(int64_t row, int64_t rows, int64_t col, int64_t cols, float* dst, int64_t ld) const override {
    for (int64_t i = 0; i < rows; i++) {
      fill(row + i, col, cols, dst + i * ld);
      round_to(operand_dtype_, dst + i * ld, cols);
    }
  }

  void read(int64_t row, int64_t rows, int64_t col, int64_t cols, bf16_t* dst, int64_t ld) const override {
    float buffer[256];
    for (int64_t i = 0; i < rows; i++)
      for (int64_t j = 0; j < cols; j += 256) {
        const int64_t n = std::min<int64_t>(256, cols - j);
        fill(row + i, col + j, n, buffer);
        store_row(buffer, dst + i * ld + j, n);
      }
  }

 private:
  void fill(int64_t row, int64_t col, int64_t n, float* dst) const {
    const int8_t* code = codes_ + row * cols_ + col;
    const float factor = maxima_[row] * kInverse127;
    for (int64_t j = 0; j < n; j++) dst[j] = static_cast<float>(code[j]) * factor;
  }

  const int8_t* codes_;
  const float* maxima_;
  DType operand_dtype_;
};

}  // namespace qlora::QLORA_ISA
