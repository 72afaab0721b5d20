#pragma once
#include "cuda/four_bit.cuh"
#include "cuda/joins.h"

namespace qlora::cuda {

/** The fused product of `few_rows`: x is rounded to operands, and so are the codes' values; weights are not
 * rounded to weight_dtype. */
struct FewRowsCall {
  const Tensor &x, &codes, &out;
  const Maxima& maxima;
  int64_t out_features, in_features;
  const std::string& quant_type;
  double alpha, beta;
  DType operands;
};

/**
 * out = alpha * x @ W^T + beta * out without a dequantized copy of W; false if that is not possible or not
 * faster.
 */
bool few_rows(const Context& context, const FewRowsCall& call);

}  // namespace qlora::cuda
