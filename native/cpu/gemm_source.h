#pragma once
#include <type_traits>

#include "cpu/four_bit.h"

namespace qlora::QLORA_ISA {

/**
 * An operand of a product: a row-major matrix that is read in rectangles as float32 or bfloat16; each value
 * is rounded to the operand dtype (bfloat16 rectangles are only read if that is bfloat16).
 */
class Source {
 public:
  virtual void read(int64_t row, int64_t rows, int64_t col, int64_t cols, float* dst, int64_t ld) const = 0;
  virtual void read(int64_t row, int64_t rows, int64_t col, int64_t cols, bf16_t* dst, int64_t ld) const = 0;
  /** The matrix itself if `read` into this type would copy it unchanged, else null. Row stride: cols(). */
  virtual const float* in_place(const float*) const { return nullptr; }
  virtual const bf16_t* in_place(const bf16_t*) const { return nullptr; }
  int64_t cols() const { return cols_; }

 protected:
  explicit Source(int64_t cols) : cols_(cols) {}
  ~Source() = default;
  const int64_t cols_;
};

template <typename T>
class DenseSource final : public Source {
 public:
  DenseSource(const T* data, int64_t cols, DType operand_dtype)
      : Source(cols), data_(data), operand_dtype_(operand_dtype) {}

  void read(int64_t row, int64_t rows, int64_t col, int64_t cols, float* dst, int64_t ld) const override {
    for (int64_t i = 0; i < rows; i++) {
      load_row(at(row + i, col), dst + i * ld, cols);
      if (rounds()) round_to(operand_dtype_, dst + i * ld, cols);
    }
  }

  void read(int64_t row, int64_t rows, int64_t col, int64_t cols, bf16_t* dst, int64_t ld) const override {
    for (int64_t i = 0; i < rows; i++) {
      if constexpr (std::is_same_v<T, bf16_t>) {
        std::memcpy(dst + i * ld, at(row + i, col), static_cast<size_t>(cols) * 2);
      } else if constexpr (std::is_same_v<T, float>) {
        store_row(at(row + i, col), dst + i * ld, cols);
      } else {
        float buffer[256];
        for (int64_t j = 0; j < cols; j += 256) {
          const int64_t n = std::min<int64_t>(256, cols - j);
          load_row(at(row + i, col + j), buffer, n);
          store_row(buffer, dst + i * ld + j, n);
        }
      }
    }
  }

  const float* in_place(const float*) const override {
    if constexpr (std::is_same_v<T, float>) return rounds() ? nullptr : data_;
    return nullptr;
  }
  const bf16_t* in_place(const bf16_t*) const override {
    if constexpr (std::is_same_v<T, bf16_t>) return data_;
    return nullptr;
  }

 private:
  const T* at(int64_t row, int64_t col) const { return data_ + row * cols_ + col; }
  bool rounds() const {
    if constexpr (std::is_same_v<T, bf16_t>) return operand_dtype_ == DType::f16;
    if constexpr (std::is_same_v<T, f16_t>) return operand_dtype_ == DType::bf16;
    return operand_dtype_ != DType::f32;
  }

  const T* data_;
  DType operand_dtype_;
};

class FourBitSource final : public Source {
 public:
  FourBitSource(const FourBit& matrix, int64_t cols) : Source(cols), matrix_(matrix) {}

  void read(int64_t row, int64_t rows, int64_t col, int64_t cols, float* dst, int64_t ld) const override {
    for (int64_t i = 0; i < rows; i++) matrix_.read((row + i) * cols_ + col, cols, dst + i * ld);
  }
  void read(int64_t row, int64_t rows, int64_t col, int64_t cols, bf16_t* dst, int64_t ld) const override {
    for (int64_t i = 0; i < rows; i++) matrix_.read((row + i) * cols_ + col, cols, dst + i * ld);
  }

 private:
  FourBit matrix_;
};

/** use(source) with the matrix t as a source, whatever its float dtype. */
template <typename Use>
void with_source(const Tensor& t, DType operand_dtype, Use use) {
  dispatch_float(t.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    use(DenseSource<T>(t.data<T>(), t.shape[1], operand_dtype));
  });
}

}  // namespace qlora::QLORA_ISA
