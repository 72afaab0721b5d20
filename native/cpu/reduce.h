#pragma once
#include <algorithm>
#include <vector>

#include "cpu/tiles.h"

// Sums in a fixed order: 16 running sums for every instruction set, so that the bits depend neither on it
// nor on the number of threads.
namespace qlora::QLORA_ISA {

template <typename Sum, typename Term>
inline Sum sum_terms(int64_t n, Term term) {
  Sum lane[16] = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 16; j++) lane[j] += term(i + j);
  }
  for (int j = 0; i + j < n; j++) lane[j] += term(i + j);
  for (int width = 8; width > 0; width /= 2) {
    for (int j = 0; j < width; j++) lane[j] += lane[j + width];
  }
  return lane[0];
}

inline float sum(const float* x, int64_t n) {
  return sum_terms<float>(n, [x](int64_t i) { return x[i]; });
}

inline float dot(const float* x, const float* y, int64_t n) {
  return sum_terms<float>(n, [x, y](int64_t i) { return x[i] * y[i]; });
}

/** In double: squares neither overflow nor underflow, and the error is negligible. */
inline double sum_squares(const float* x, int64_t n) {
  return sum_terms<double>(n, [x](int64_t i) { return static_cast<double>(x[i]) * x[i]; });
}

/** Largest element, ignoring NaN; -infinity if there is none. */
inline float largest(const float* x, int64_t n) {
  float lane[16];
  std::fill(lane, lane + 16, -__builtin_inff());
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int j = 0; j < 16; j++) lane[j] = x[i + j] > lane[j] ? x[i + j] : lane[j];
  }
  for (; i < n; i++) lane[0] = x[i] > lane[0] ? x[i] : lane[0];
  return *std::max_element(lane, lane + 16);
}

/**
 * The sum over rows of the terms that add_row(row, sums, scratch) adds to sums[0 .. cols); scratch has 2 *
 * cols floats. Blocks of rows are summed in fp32, blocks in double.
 */
template <typename AddRow>
std::vector<float> column_sums(int64_t rows, int64_t cols, AddRow add_row) {
  int64_t block = std::max<int64_t>(row_grain(cols), (rows + 63) / 64);
  int64_t blocks = (rows + block - 1) / block;
  std::vector<float> partial(blocks * cols, 0.0f);
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(2 * cols);
    for (int64_t b = begin; b < end; b++) {
      for (int64_t i = b * block; i < std::min(rows, (b + 1) * block); i++) {
        add_row(i, partial.data() + b * cols, scratch.data());
      }
    }
  });
  std::vector<double> total(cols);
  for (int64_t b = 0; b < blocks; b++) {
    for (int64_t j = 0; j < cols; j++) total[j] += partial[b * cols + j];
  }
  std::vector<float> sums(cols);
  for (int64_t j = 0; j < cols; j++) sums[j] = static_cast<float>(total[j]);
  return sums;
}

/** out = beta * out + sums; with beta 0, out is not read. */
inline void store_sums(const std::vector<float>& sums, const Tensor& out, double beta) {
  FloatView to(out);
  int64_t n = static_cast<int64_t>(sums.size());
  std::vector<float> buffer(n), result(sums);
  if (beta != 0) {
    const float* old = to.read(0, n, buffer.data());
    for (int64_t j = 0; j < n; j++) result[j] = static_cast<float>(beta) * old[j] + sums[j];
  }
  to.write(0, n, result.data());
}

}  // namespace qlora::QLORA_ISA
