#pragma once
#include "cpu/gemm_source.h"

namespace qlora::QLORA_ISA {

/** out [m, n] = alpha * op(a) @ op(b) + beta * out, op = transpose of the stored matrix when its flag is set.
 */
struct Product {
  const Source& a;
  bool transpose_a;
  const Source& b;
  bool transpose_b;
  int64_t m, n, k;
  float alpha, beta;
  DType operand_dtype;
  const Tensor& out;
  /** out is stored as its transpose, [n, m]. */
  bool transpose_out = false;
};

/**
 * The order of summation depends only on the shapes, never on the number of threads: k is divided into
 * fixed blocks, and m and n are split between threads.
 */
void gemm(const Product& product);

}  // namespace qlora::QLORA_ISA
