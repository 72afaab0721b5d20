#pragma once
#include "cuda/four_bit.cuh"

namespace qlora::cuda {

/** The fused product of `few_rows`. Weights are rounded to weight_dtype, then weights and x to operands. */
struct FewRowsCall {
  const Tensor &x, &codes, &out;
  const Maxima& maxima;
  int64_t out_features, in_features;
  const std::string& quant_type;
  double alpha, beta;
  DType weight_dtype, operands;
};

/** out = alpha * x @ W^T + beta * out without a dequantized copy of W; false where that is not possible or
 * not the faster way. */
bool few_rows(const Context& context, const FewRowsCall& call);

}  // namespace qlora::cuda
