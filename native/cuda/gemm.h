#pragma once
#include "cuda/context.h"

namespace qlora::cuda {

/** A matrix of a product: memory, dtype and whether it is to be transposed. */
struct Operand {
  const void* data;
  DType dtype;
  bool transpose;
};

/** out = alpha * op(a) @ op(b) + beta * out for operands of any float dtypes, rounded to `operand_dtype`
 * first. */
void product(const Context& context, Operand a, Operand b, const Tensor& out, int64_t k, double alpha,
             double beta, DType operand_dtype);

}  // namespace qlora::cuda
